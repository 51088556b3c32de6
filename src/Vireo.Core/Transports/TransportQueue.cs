using Vireo.Core.Contract;
using Vireo.Core.Queues;

namespace Vireo.Core.Transports;

/// <summary>The registers of one queue, the same in PCI, MMIO and channel I/O.</summary>
/// <remarks>Also the queue's call: what the data plane notifies, on its own loop. All else belongs to the control thread.</remarks>
internal sealed class TransportQueue : ISignal
{
    /// <summary>A queue that is mapped to no vector (VIRTIO 1.4 §4.1.5.1.2).</summary>
    public const ushort NoVector = 0xffff;

    private readonly ITransportCalls _calls;

    /// <summary>Written by the control thread, read by the queue's loop.</summary>
    private volatile ushort _vector = NoVector;

    public TransportQueue(int index, ushort sizeMax, ITransportCalls calls)
    {
        Index = index;
        SizeMax = sizeMax;
        Size = sizeMax;
        _calls = calls;
    }

    /// <summary>Which queue of the device.</summary>
    public int Index { get; }

    /// <summary>The largest size the device takes.</summary>
    public ushort SizeMax { get; }

    /// <summary>The size the driver has chosen.</summary>
    public ushort Size { get; set; }

    /// <summary>Address of the descriptor area.</summary>
    public ulong Descriptors { get; set; }

    /// <summary>Address of the driver area.</summary>
    public ulong Driver { get; set; }

    /// <summary>Address of the device area.</summary>
    public ulong Device { get; set; }

    /// <summary>Whether the driver has enabled the queue.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>Whether a reset of the queue is going on.</summary>
    public bool IsResetting { get; set; }

    /// <summary>Whether the queue was reset, and nothing enabled it since.</summary>
    public bool WasReset { get; set; }

    /// <summary>The interrupt vector that used buffers are announced with; PCI only.</summary>
    public ushort Vector
    {
        get => _vector;
        set => _vector = value;
    }

    /// <summary>Where the ring lies.</summary>
    public QueueAreas Areas => new(Size, new(Descriptors), new(Driver), new(Device));

    /// <inheritdoc/>
    public void Notify() => _calls.CallQueue(this);

    /// <summary>Back to the state after a reset (VIRTIO 1.4 §2.6.1).</summary>
    public void Reset()
    {
        Size = SizeMax;
        Descriptors = 0;
        Driver = 0;
        Device = 0;
        IsEnabled = false;
        WasReset = false;
        Vector = NoVector;
    }
}
