using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Drivers;

/// <summary>A driver's hold on one device: what was negotiated, the memory they share, the queues that run.</summary>
/// <remarks>
/// <para>
/// What the drivers of each device type are built on, and all that a driver of another type needs. The device is any
/// <see cref="VirtioDevice"/>: a proxy for somebody else's back-end, or an emulated one in this process.
/// </para>
/// <code>
///   Open: features ──▶ read the configuration space ──▶ StartQueues ──▶ requests ──▶ Dispose
///                                                            ▲   │
///                                                 MoveTo ────┴───┘
/// </code>
/// <para>Used by one control thread; each queue by one thread at a time, which may be another.</para>
/// </remarks>
public sealed class DriverSession : IDeviceHost, IDisposable
{
    /// <summary>More requests in flight than this on one queue only wait in the device.</summary>
    private const int DepthMax = 4096;

    /// <summary>Alignment of the areas of a ring: more than any layout asks for.</summary>
    private const int RingAlignment = 4096;

    private readonly DriverOptions _options;
    private DeviceLifecycle _lifecycle;
    private QueueClient[] _queues = [];

    /// <summary>The kicks and calls of all queues.</summary>
    private readonly List<DriverSignal> _signals = [];

    /// <summary>Why the device cannot go on; null while it can.</summary>
    private volatile string? _failure;

    private int _configChanges;

    private DriverSession(VirtioDevice device, FeatureSet deviceFeatures, DriverOptions options)
    {
        _options = options;
        FeatureSet rings = options.RingFeatures.With(CoreFeature.Version1) & device.RingFeatures;
        _lifecycle = new(device, rings);
        Features = _lifecycle.Offered & (deviceFeatures | rings);
        Memory = new(options.MemoryBytes, options.Pages);
    }

    /// <summary>The device.</summary>
    public VirtioDevice Device => _lifecycle.Device;

    /// <summary>What was negotiated, the features of the rings included.</summary>
    public FeatureSet Features { get; }

    /// <summary>The memory that the device sees.</summary>
    public DriverMemory Memory { get; }

    /// <summary>The queues that run; empty before <see cref="StartQueues"/>.</summary>
    public IReadOnlyList<QueueClient> Queues => _queues;

    /// <summary>How often the device has said that its configuration space changed. Any thread.</summary>
    // Acquire: whoever sees the count reads a configuration space at least that new.
    public int ConfigChangeCount => Volatile.Read(ref _configChanges);

    /// <summary>Why the device cannot go on, in a sentence; null while it can. Any thread.</summary>
    public string? Failure => _failure;

    /// <summary>Negotiates with a device and gives it memory. No queue runs yet.</summary>
    /// <param name="device">The device; from here on the session's, which disposes it, even when this call fails.</param>
    /// <param name="deviceFeatures">The features of the device type that the driver uses where they are offered.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The device refuses the features.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public static DriverSession Open(VirtioDevice device, FeatureSet deviceFeatures, DriverOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        DriverSession? session = null;
        try
        {
            options ??= new();
            ArgumentOutOfRangeException.ThrowIfLessThan(options.QueueCount, 1);
            ArgumentOutOfRangeException.ThrowIfLessThan(options.Depth, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Depth, DepthMax);
            session = new(device, deviceFeatures, options);
            session.Bind(session._lifecycle);
            return session;
        }
        catch
        {
            session?.Memory.Dispose();
            device.Dispose();
            throw;
        }
    }

    /// <summary>Reads the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    /// <exception cref="DeviceException">The device cannot say.</exception>
    public void ReadConfig(int offset, Span<byte> destination) => Device.ReadConfig(offset, destination);

    /// <summary>Makes and starts queues.</summary>
    /// <param name="count">How many: the first ones of the device, at most as many as it has.</param>
    /// <param name="descriptorsPerRequest">How many pieces the largest request has.</param>
    /// <exception cref="InvalidOperationException">They run already.</exception>
    /// <exception cref="DeviceException">The device does not run them.</exception>
    /// <exception cref="DriverException">The shared memory is too small for the rings.</exception>
    public void StartQueues(int count, int descriptorsPerRequest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Device.Queues.Count);
        if (_queues.Length != 0)
        {
            throw new InvalidOperationException("the queues run already");
        }

        var queues = new QueueClient[count];
        for (int index = 0; index < count; index++)
        {
            queues[index] = MakeQueue(index, descriptorsPerRequest);
        }

        _queues = queues;
        StartAll(static _ => QueueState.Fresh);
    }

    /// <summary>
    /// Goes on with another device in place of this one, such as the same disk served by another process: each queue stops,
    /// what is in flight is completed, and the queue continues there where it stopped.
    /// </summary>
    /// <remarks>Requests may go on being submitted and taken meanwhile, by the queues' own threads.</remarks>
    /// <param name="device">The other device; from here on the session's. Unless it is refused, the old one is disposed.</param>
    /// <exception cref="DeviceException">It does not offer what was negotiated, or has fewer queues. Nothing has changed then.</exception>
    public void MoveTo(VirtioDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        DeviceLifecycle next = new(device, Features & device.RingFeatures);
        if (!Features.IsSubsetOf(next.Offered) || device.Type != Device.Type || device.Queues.Count < _queues.Length)
        {
            device.Dispose();
            throw new DeviceException(
                $"the {device.Type} device with features {next.Offered} and {device.Queues.Count} queues cannot take over from "
                    + $"a {Device.Type} device with features {Features} and {_queues.Length} queues"
            );
        }

        var states = new QueueState[_queues.Length];
        for (int index = 0; index < states.Length; index++)
        {
            states[index] = _lifecycle.StopQueue(index) ?? QueueState.Fresh;
        }

        Device.Dispose();
        _lifecycle = next;
        Bind(next);
        StartAll(index => states[index]);
    }

    /// <summary>Resets the device, ends it, and frees the memory. A device that is gone is let go all the same.</summary>
    public void Dispose()
    {
        try
        {
            _lifecycle.Reset();
        }
        catch (DeviceException)
        {
            // Nobody is there any more to be told that the queues have stopped.
        }

        Device.Dispose();
        _queues = [];
        foreach (DriverSignal signal in _signals)
        {
            signal.Dispose();
        }

        _signals.Clear();
        Memory.Dispose();
    }

    /// <inheritdoc/>
    IQueueLoop IDeviceHost.LoopFor(int queueIndex) =>
        _options.Loop
        ?? throw new DeviceException(
            "a device in this process needs a loop to run its queues on; set DriverOptions.Loop"
        );

    /// <inheritdoc/>
    // Full: counted on whichever thread the device tells it; later reads of the space see what was there before.
    void IDeviceHost.NotifyConfigChanged() => Interlocked.Increment(ref _configChanges);

    /// <inheritdoc/>
    void IDeviceHost.ReportFault(int queueIndex, QueueFault fault) =>
        Fail($"the device says that queue {queueIndex} is broken: {fault}");

    /// <inheritdoc/>
    void IDeviceHost.ReportLoss(string reason) => Fail(reason);

    /// <summary>Throws when the device cannot go on.</summary>
    internal void ThrowIfFailed()
    {
        if (_failure is { } failure)
        {
            throw new DriverException(failure);
        }
    }

    private void Fail(string reason)
    {
        _failure ??= reason;
        _lifecycle.MarkNeedsReset();
        foreach (QueueClient queue in _queues)
        {
            queue.Wake();
        }
    }

    private void Bind(DeviceLifecycle lifecycle)
    {
        lifecycle.WriteStatus(DeviceStatus.Acknowledge, FeatureSet.Empty);
        lifecycle.WriteStatus(lifecycle.Status | DeviceStatus.Driver, FeatureSet.Empty);
        lifecycle.Attach(this, Memory.Memory);
        if (!lifecycle.TryNegotiate(Features, out string? refusal))
        {
            throw new DeviceException(refusal!);
        }
    }

    private void StartAll(Func<int, QueueState> stateOf)
    {
        for (int index = 0; index < _queues.Length; index++)
        {
            _lifecycle.StartQueue(_queues[index].Setup(index, stateOf(index)));
        }
    }

    private QueueClient MakeQueue(int index, int descriptorsPerRequest)
    {
        bool isIndirect = Features.Contains(CoreFeature.IndirectDescriptors);
        ushort size = SizeOf(index, isIndirect ? 1 : descriptorsPerRequest, descriptorsPerRequest);
        QueueAreas areas = new(
            size,
            AllocateArea(SplitRing.DescriptorBytes(size)),
            AllocateArea(SplitRing.AvailableBytes(size)),
            AllocateArea(SplitRing.UsedBytes(size))
        );
        IndirectTables? tables = null;
        if (isIndirect && descriptorsPerRequest > 1)
        {
            ushort length = (ushort)descriptorsPerRequest;
            tables = new(AllocateArea((int)IndirectTables.LengthBytes(size, length)), length);
        }

        var ring = DriverQueue.Create(in areas, Memory.Memory, Features, tables);
        return new(this, ring, areas, MakeSignal(), MakeSignal(), _options.PollWindow);
    }

    private DriverSignal MakeSignal()
    {
        DriverSignal signal = new();
        _signals.Add(signal);
        return signal;
    }

    /// <summary>The size of a ring that holds as many requests as were asked for, as far as the device takes it.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="entriesPerRequest">How many descriptors of the ring itself a request takes.</param>
    /// <param name="descriptorsPerRequest">
    /// How many it has in all, which is never more than the queue size, tables or not (VIRTIO 1.4 §2.7.5.3.1).
    /// </param>
    private ushort SizeOf(int index, int entriesPerRequest, int descriptorsPerRequest)
    {
        int needed = Math.Max(_options.Depth * entriesPerRequest, descriptorsPerRequest);
        int wanted = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)needed);
        int size = Math.Min(Math.Min(wanted, Device.Queues[index].SizeMax), SplitRing.SizeMax);
        return size >= descriptorsPerRequest
            ? (ushort)size
            : throw new DeviceException(
                $"queue {index} takes {size} descriptors, and one request has {descriptorsPerRequest}"
            );
    }

    private GuestAddress AllocateArea(int bytes)
    {
        DriverBuffer area = Memory.Allocate(bytes, RingAlignment);
        area.Bytes.Clear();
        return area.Address;
    }
}
