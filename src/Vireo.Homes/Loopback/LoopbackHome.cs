using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Homes.Loopback;

/// <summary>Joins a device and our own driver role in one process: the test bench of every device.</summary>
/// <remarks>
/// Owns the device, the guest memory and the rings. There is no thread: a kick gives the device its turns before it returns, so
/// that the same calls give the same outcome every time. Used by one thread.
/// <code>
///   using LoopbackHome home = LoopbackHome.Open(new EntropyDevice(backend));
///   GuestRange buffer = home.Allocate(4096);
///   uint written = home.Exchange(0, [], [buffer]);
///   Span&lt;byte&gt; bytes = home.Bytes(buffer);
/// </code>
/// </remarks>
public sealed class LoopbackHome : IDeviceHost, IDisposable
{
    /// <summary>Where guest memory begins: above 4 GiB, so that an address cut to 32 bits is noticed.</summary>
    private const ulong MemoryBase = 0x1_0000_0000;

    /// <summary>Alignment of the areas of a ring: more than any layout asks for.</summary>
    private const uint RingAlignment = 64;

    /// <summary>Alignment of buffers unless stated otherwise.</summary>
    private const uint BufferAlignment = 16;

    private readonly LoopbackOptions _options;
    private readonly OwnedMemory _backing;
    private readonly MappedMemory _memory;
    private readonly InlineLoop _loop;
    private readonly LoopbackQueue[] _queues;

    /// <summary>Bytes of guest memory that were given out.</summary>
    private ulong _allocatedBytes;

    private LoopbackHome(VirtioDevice device, LoopbackOptions options)
    {
        _options = options;
        _backing = new(options.MemoryBytes);
        _memory = new([_backing.At(new(MemoryBase))]);
        _loop = new(options.WaitForBackend);
        FeatureSet rings = options.RingFeatures.With(CoreFeature.Version1);
        Lifecycle = new(device, rings);
        Features = rings | device.OfferedFeatures & (options.DeviceFeatures ?? device.OfferedFeatures);
        _queues = new LoopbackQueue[device.Queues.Count];
        for (int index = 0; index < _queues.Length; index++)
        {
            _queues[index] = Prepare(Math.Min(options.QueueSize, device.Queues[index].SizeMax));
        }
    }

    /// <summary>The status machine of the device.</summary>
    public DeviceLifecycle Lifecycle { get; }

    /// <summary>The memory that driver and device share.</summary>
    public GuestMemory Memory => _memory;

    /// <summary>The features that the driver accepts, those of the rings included.</summary>
    public FeatureSet Features { get; }

    /// <summary>How many queues the device has; all of them run.</summary>
    public int QueueCount => _queues.Length;

    /// <summary>How many times the device said that its configuration space has changed.</summary>
    public int ConfigChangeCount { get; private set; }

    /// <summary>Brings a device up: features, memory, rings, DRIVER_OK.</summary>
    /// <param name="device">The device; from here on the home's, which disposes it.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The device refuses the features or cannot run.</exception>
    /// <exception cref="RingException">A queue size is not allowed in the layout that was chosen.</exception>
    public static LoopbackHome Open(VirtioDevice device, LoopbackOptions? options = null)
    {
        LoopbackHome home = new(device, options ?? new());
        try
        {
            home.Lifecycle.Attach(home, home._memory);
            home.Start();
            return home;
        }
        catch
        {
            home.Dispose();
            throw;
        }
    }

    /// <summary>The driver side of a queue.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public DriverQueue Queue(int index) => _queues[index].Driver!;

    /// <summary>Where a ring lies in guest memory, for a driver that means harm.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public QueueAreas Areas(int index) => _queues[index].Areas;

    /// <summary>How many times the device has called the driver for a queue since the home was opened.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public int CallCount(int index) => _queues[index].Calls.Count;

    /// <summary>How the driver broke a ring, as the device reported it; None when it did not.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public QueueFault FaultOf(int index) => _queues[index].Fault;

    /// <summary>Takes a piece of guest memory; it is never given back.</summary>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="alignment">What the address is a multiple of; a power of two.</param>
    /// <returns>The piece, zeroed.</returns>
    /// <exception cref="InvalidOperationException">Guest memory is spent.</exception>
    public GuestRange Allocate(uint lengthBytes, uint alignment = BufferAlignment)
    {
        ulong start = (_allocatedBytes + alignment - 1) / alignment * alignment;
        if (start + lengthBytes > _options.MemoryBytes)
        {
            throw new InvalidOperationException(
                $"{lengthBytes} bytes do not fit into what is left of {_options.MemoryBytes} bytes of guest memory"
            );
        }

        _allocatedBytes = start + lengthBytes;
        return new(new(MemoryBase + start), lengthBytes);
    }

    /// <summary>Takes a piece of guest memory and fills it.</summary>
    /// <param name="contents">What to put there.</param>
    public GuestRange Allocate(ReadOnlySpan<byte> contents)
    {
        GuestRange range = Allocate((uint)contents.Length);
        contents.CopyTo(Bytes(range));
        return range;
    }

    /// <summary>The bytes of a piece of guest memory, in place.</summary>
    /// <param name="range">A piece from <see cref="Allocate(uint, uint)"/>, or a part of one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece does not lie in guest memory.</exception>
    public Span<byte> Bytes(GuestRange range)
    {
        if (range.LengthBytes == 0)
        {
            return [];
        }

        Translation outcome = _memory.TranslateContiguous(
            range.Address,
            range.LengthBytes,
            MemoryAccess.ReadWrite,
            out Segment segment
        );
        return outcome == Translation.Done
            ? segment.Bytes
            : throw new ArgumentOutOfRangeException(nameof(range), range, "not a piece of guest memory");
    }

    /// <summary>Kicks a queue and gives the device turns until it has no more work.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public void Kick(int index)
    {
        _queues[index].Kick.Notify();
        Run();
    }

    /// <summary>Gives the device turns until it has no more work, because something other than a kick gave it some.</summary>
    public void Run() => _loop.RunUntilIdle();

    /// <summary>Sends one buffer through a queue that nothing else is in, and waits for it.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <param name="readable">What the device reads.</param>
    /// <param name="writable">What the device writes.</param>
    /// <returns>How many bytes the device wrote.</returns>
    /// <exception cref="InvalidOperationException">The queue is full, or the device did not answer.</exception>
    public uint Exchange(int index, ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        DriverQueue queue = Queue(index);
        if (!queue.TryAdd(readable, writable, tag: 0))
        {
            throw new InvalidOperationException($"queue {index} takes no buffer: fault {queue.Fault}");
        }

        if (queue.Publish())
        {
            Kick(index);
        }

        return queue.TryTake(out DriverCompletion completion)
            ? completion.WrittenBytes
            : throw new InvalidOperationException(
                $"queue {index}: the device did not answer; faults {FaultOf(index)}, {queue.Fault}"
            );
    }

    /// <summary>Stops a queue and says where it stands, as a home does that moves it.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public QueueState? StopQueue(int index)
    {
        QueueState? state = Lifecycle.StopQueue(index);
        _queues[index].Kick.Handler = null;
        return state;
    }

    /// <summary>Runs a stopped queue again; the driver side is as it was.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <param name="state">Where it stopped.</param>
    public void ResumeQueue(int index, QueueState state)
    {
        LoopbackQueue queue = _queues[index];
        Lifecycle.StartQueue(new(index, queue.Areas, state, queue.Kick, queue.Calls));
        Run();
    }

    /// <summary>Resets the device and brings it up anew, with empty rings in the same memory.</summary>
    public void Restart()
    {
        Lifecycle.Reset();
        Start();
    }

    /// <summary>Resets and disposes the device, and frees guest memory.</summary>
    public void Dispose()
    {
        Lifecycle.Reset();
        Lifecycle.Device.Dispose();
        _backing.Dispose();
    }

    /// <inheritdoc/>
    IQueueLoop IDeviceHost.LoopFor(int queueIndex) => _loop;

    /// <inheritdoc/>
    void IDeviceHost.NotifyConfigChanged() => ConfigChangeCount++;

    /// <inheritdoc/>
    void IDeviceHost.ReportFault(int queueIndex, QueueFault fault)
    {
        _queues[queueIndex].Fault = fault;
        Lifecycle.MarkNeedsReset();
    }

    /// <inheritdoc/>
    void IDeviceHost.ReportLoss(string reason) => Lifecycle.MarkNeedsReset();

    /// <summary>Takes the memory of a ring.</summary>
    private LoopbackQueue Prepare(ushort size)
    {
        GuestAddress descriptors = AllocateArea(SplitRing.DescriptorBytes(size));
        GuestAddress driver = AllocateArea(SplitRing.AvailableBytes(size));
        GuestAddress device = AllocateArea(SplitRing.UsedBytes(size));
        IndirectTables? tables = null;
        if (Features.Contains(CoreFeature.IndirectDescriptors))
        {
            ulong bytes = IndirectTables.LengthBytes(size, _options.IndirectTableLength);
            tables = new(AllocateArea((int)bytes), _options.IndirectTableLength);
        }

        return new(new(size, descriptors, driver, device), tables, new(_loop), new());
    }

    private GuestAddress AllocateArea(int bytes) => Allocate((uint)bytes, RingAlignment).Address;

    /// <summary>Goes through the steps of VIRTIO 1.4 §3.1.1 as a driver does.</summary>
    private void Start()
    {
        Lifecycle.WriteStatus(DeviceStatus.Acknowledge, FeatureSet.Empty);
        Lifecycle.WriteStatus(Lifecycle.Status | DeviceStatus.Driver, FeatureSet.Empty);
        if (!Lifecycle.TryNegotiate(Features, out string? refusal))
        {
            throw new DeviceException(refusal!);
        }

        for (int index = 0; index < _queues.Length; index++)
        {
            LoopbackQueue queue = _queues[index];
            queue.Driver = DriverQueue.Create(queue.Areas, _memory, Features, queue.Tables);
            queue.Fault = QueueFault.None;
            Lifecycle.StartQueue(new(index, queue.Areas, QueueState.Fresh, queue.Kick, queue.Calls));
        }

        Run();
    }
}
