using System.Runtime.InteropServices;
using Vireo.Backends.Block.Engines;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Zoned;

/// <summary>Waits, on a thread of the disk's, until the host's device has done something with zones.</summary>
internal sealed class ZoneManager : WorkerMember
{
    private readonly HostZonedDisk _disk;
    private readonly HostZonedChannel _channel;

    /// <summary>What is asked for, by tag: written before the tag is handed to a worker, read by it.</summary>
    private readonly Order[] _orders;

    /// <summary>Makes it for a queue.</summary>
    public ZoneManager(HostZonedDisk disk, EventLoop loop, WorkerPool workers, int tagCount, HostZonedChannel channel)
        : base(loop, workers, tagCount)
    {
        _disk = disk;
        _channel = channel;
        _orders = new Order[tagCount];
    }

    /// <summary>Asks for something.</summary>
    public void Submit(uint tag, BlockZoneAction action, long offsetBytes)
    {
        _orders[tag] = new(action, offsetBytes);
        Enqueue(tag);
    }

    /// <inheritdoc/>
    private protected override int CarryOut(uint tag) => _disk.Manage(_orders[tag].Action, _orders[tag].OffsetBytes);

    /// <inheritdoc/>
    private protected override void Deliver(uint tag, int result) => _channel.CompleteManaged(tag, result);

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Order(BlockZoneAction Action, long OffsetBytes);
}
