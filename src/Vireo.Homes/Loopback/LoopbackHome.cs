using Vireo.Core;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loopback;

/// <summary>Joins a device and our own driver role in one process: the test bench of every device.</summary>
/// <remarks>
/// Owns the device, the guest memory and the rings. Unless event loops are given there is no thread: a kick gives the device its
/// turns before it returns, so that the same calls give the same outcome every time. Used by one thread at a time; with event
/// loops each queue's driver side may be used by a thread of its own.
/// <code>
///   using LoopbackHome home = LoopbackHome.Open(device);
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

    /// <summary>How long <see cref="Exchange"/> waits for a device on an event loop.</summary>
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private readonly LoopbackOptions _options;

    /// <summary>Guest memory of our own; null when it was given.</summary>
    private readonly OwnedMemory? _backing;

    private readonly MemoryRegion _region;
    private readonly MappedMemory _memory;

    /// <summary>The loop without a thread; null when event loops run the queues.</summary>
    private readonly InlineLoop? _inline;

    private readonly LoopbackQueue[] _queues;

    /// <summary>Bytes of guest memory that were given out.</summary>
    private ulong _allocatedBytes;

    private int _configChangeCount;

    private LoopbackHome(VirtioDevice device, LoopbackOptions options)
    {
        _options = options;
        if (options.Memory is { } given)
        {
            _region = given;
        }
        else
        {
            _backing = new(options.MemoryBytes);
            _region = _backing.At(new(MemoryBase));
        }

        _memory = new([_region]);
        _inline = options.Loops is null ? new(options.WaitForBackend) : null;
        FeatureSet rings = options.RingFeatures.With(CoreFeature.Version1);
        Lifecycle = new(device, rings);
        Features =
            (rings | device.OfferedFeatures & (options.DeviceFeatures ?? device.OfferedFeatures)) & Lifecycle.Offered;
        _queues = new LoopbackQueue[device.Queues.Count];
        for (int index = 0; index < _queues.Length; index++)
        {
            _queues[index] = Prepare(index, Math.Min(options.QueueSize, device.Queues[index].SizeMax));
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
    // Acquire: counted on the thread that noticed the change.
    public int ConfigChangeCount => Volatile.Read(ref _configChangeCount);

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

    /// <summary>The ring of a queue in guest memory, for tests that write to it by hand.</summary>
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
    /// <returns>The piece; zeroed, unless the memory was given.</returns>
    /// <exception cref="InvalidOperationException">Guest memory is spent.</exception>
    public GuestRange Allocate(uint lengthBytes, uint alignment = BufferAlignment)
    {
        ulong start = (_allocatedBytes + alignment - 1) / alignment * alignment;
        if (start + lengthBytes > _region.LengthBytes)
        {
            throw new InvalidOperationException(
                $"{lengthBytes} bytes do not fit into what is left of {_region.LengthBytes} bytes of guest memory"
            );
        }

        _allocatedBytes = start + lengthBytes;
        return new(_region.Address + start, lengthBytes);
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

    /// <summary>Kicks a queue; where no event loop runs it, gives the device turns until it has no more work.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    public void Kick(int index)
    {
        _queues[index].Kick.Notify();
        Run();
    }

    /// <summary>Gives the device turns until it has no more work, because something other than a kick gave it some.</summary>
    /// <remarks>Event loops give turns by themselves: then this does nothing.</remarks>
    public void Run() => _inline?.RunUntilIdle();

    /// <summary>Waits until the device has called the driver for a queue since the last wait.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <param name="timeout">How long at most.</param>
    /// <returns>False when it did not call in that time.</returns>
    public bool WaitForCall(int index, TimeSpan timeout) => _queues[index].Calls.Wait(timeout);

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

        DriverCompletion completion;
        while (!queue.TryTake(out completion))
        {
            bool mayCome = _inline is null && queue.Fault == UsedFault.None && FaultOf(index) == QueueFault.None;
            if (!mayCome || (queue.TryArmCalls() && !WaitForCall(index, AnswerTimeout)))
            {
                throw new InvalidOperationException(
                    $"queue {index}: the device did not answer; faults {FaultOf(index)}, {queue.Fault}"
                );
            }
        }

        return completion.WrittenBytes;
    }

    /// <summary>Stops a queue and says where it stands, as a home does that moves it.</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <returns>Where it stands; null when it did not run.</returns>
    public QueueState? StopQueue(int index)
    {
        QueueState? state = Lifecycle.StopQueue(index);
        if (_queues[index].Kick is InlineKick kick)
        {
            kick.Handler = null;
        }

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

    /// <summary>Resets one queue, as a driver does with RING_RESET, and enables it again with an empty ring (VIRTIO 1.4 §2.6.1).</summary>
    /// <param name="index">Which queue, below <see cref="QueueCount"/>.</param>
    /// <param name="size">Its new size; no larger than the queue was at first.</param>
    public void ResetQueue(int index, ushort size)
    {
        LoopbackQueue queue = _queues[index];
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, queue.SizeMax);
        StopQueue(index);
        Invariant.That(!Lifecycle.IsRunning(index));
        queue.Areas = queue.Areas with { Size = size };
        StartQueue(index);
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
        foreach (LoopbackQueue? queue in _queues)
        {
            queue?.Dispose();
        }

        _backing?.Dispose();
    }

    /// <inheritdoc/>
    IQueueLoop IDeviceHost.LoopFor(int queueIndex) => _queues[queueIndex].Loop;

    /// <inheritdoc/>
    // Full: any thread may say so.
    void IDeviceHost.NotifyConfigChanged() => Interlocked.Increment(ref _configChangeCount);

    /// <inheritdoc/>
    void IDeviceHost.ReportFault(int queueIndex, QueueFault fault)
    {
        _queues[queueIndex].Fault = fault;
        Lifecycle.MarkNeedsReset();
    }

    /// <inheritdoc/>
    void IDeviceHost.ReportLoss(string reason) => Lifecycle.MarkNeedsReset();

    /// <summary>Takes the memory of a ring.</summary>
    private LoopbackQueue Prepare(int index, ushort size)
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

        QueueAreas areas = new(size, descriptors, driver, device);
        return _inline is not null
            ? new(areas, tables, _inline, new InlineKick(_inline))
            : new(areas, tables, new QueueLoop(_options.Loops![index]), new EventFdSignal(EventFd.Create()));
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
            StartQueue(index);
        }

        Run();
    }

    private void StartQueue(int index)
    {
        LoopbackQueue queue = _queues[index];
        queue.Driver = DriverQueue.Create(queue.Areas, _memory, Features, queue.Tables);
        queue.Fault = QueueFault.None;
        Lifecycle.StartQueue(new(index, queue.Areas, QueueState.Fresh, queue.Kick, queue.Calls));
    }
}
