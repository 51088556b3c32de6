using Vireo.Backends.Block.Filters;
using Vireo.Backends.Block.Raw;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Backends.Block.Zoned;

/// <summary>The way from one queue to a zoned block device of the host.</summary>
internal sealed class HostZonedChannel : FilterChannel, IZonedBlockChannel
{
    private const long NoWrite = -1;

    private readonly HostZonedDisk _disk;
    private readonly ZoneManager _manager;

    /// <summary>Where each write on its way goes.</summary>
    private readonly long[] _writes;

    /// <summary>Where the last write of each tag went.</summary>
    private readonly long[] _written;

    /// <summary>Makes a channel.</summary>
    public HostZonedChannel(
        HostZonedDisk disk,
        IBlockBackend inner,
        int queueIndex,
        int tagCount,
        IBlockCompletions completions
    )
        : base(inner, queueIndex, tagCount, completions)
    {
        _disk = disk;
        _writes = new long[tagCount];
        _written = new long[tagCount];
        Array.Fill(_writes, NoWrite);
        _manager = disk.OpenManager(queueIndex, tagCount, this);
    }

    /// <inheritdoc/>
    public override void BeginStop() => Inner.BeginStop();

    /// <inheritdoc/>
    public override void Dispose()
    {
        _manager.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    public void ManageZone(uint tag, BlockZoneAction action, long offsetBytes)
    {
        BlockResult result = action == BlockZoneAction.ResetAll ? BlockResult.Done : _disk.CheckManaged(offsetBytes);
        if (result == BlockResult.Done)
        {
            _manager.Submit(tag, action, offsetBytes);
        }
        else
        {
            Completions.Complete(tag, result);
        }
    }

    /// <inheritdoc/>
    public void Append(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable)
    {
        long length = LengthOf(source);
        BlockResult result = _disk.BeginAppend(offsetBytes, length, out long at);
        Write(new(ChannelCallKind.Write, tag, source, at, length, isStable), result);
    }

    /// <inheritdoc/>
    public long AppendedOffsetOf(uint tag) => _written[tag];

    /// <inheritdoc/>
    public override void Complete(uint tag, BlockResult result)
    {
        long offset = _writes[tag];
        if (offset != NoWrite)
        {
            _writes[tag] = NoWrite;
            _written[tag] = offset;
            _disk.EndWrite(offset, result == BlockResult.Done);
        }

        Completions.Complete(tag, result);
    }

    /// <summary>The device has done something with zones, or has refused.</summary>
    internal void CompleteManaged(uint tag, int result) =>
        Completions.Complete(
            tag,
            result >= 0 ? BlockResult.Done
                // The kernel's word for a state of a zone that does not allow it.
                : (Errno)(-result) is Errno.EIO or Errno.EINVAL ? BlockResult.ZoneInvalid
                : RawChannel.ResultOf((Errno)(-result), hasZones: true)
        );

    /// <inheritdoc/>
    private protected override void Begin(in ChannelCall call)
    {
        switch (call.Kind)
        {
            case ChannelCallKind.Write:
                Write(in call, _disk.BeginWrite(call.OffsetBytes, call.LengthBytes));
                break;
            case ChannelCallKind.Read
                when _disk.CheckRead(call.OffsetBytes, call.LengthBytes) is var result and not BlockResult.Done:
                Completions.Complete(call.Tag, result);
                break;
            case ChannelCallKind.Read or ChannelCallKind.Flush:
                call.MakeOn(Inner);
                break;
            default:
                Completions.Complete(call.Tag, BlockResult.Unsupported);
                break;
        }
    }

    private void Write(in ChannelCall call, BlockResult result)
    {
        if (result == BlockResult.Done)
        {
            _writes[call.Tag] = call.OffsetBytes;
            call.MakeOn(Inner);
        }
        else
        {
            Completions.Complete(call.Tag, result);
        }
    }
}
