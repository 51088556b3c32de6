using Vireo.Backends.Block.Filters;
using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Images;

/// <summary>Looks at what is written to the beginning of a disk.</summary>
internal sealed class ProbedRawChannel(IBlockBackend disk, int queueIndex, int tagCount, IBlockCompletions completions)
    : FilterChannel(disk, queueIndex, tagCount, completions)
{
    /// <summary>Copies of beginnings that are being written: what was looked at is what is written, whatever the guest does meanwhile.</summary>
    private readonly Dictionary<uint, OwnedMemory> _beginnings = [];

    /// <inheritdoc/>
    public override void BeginStop() => Inner.BeginStop();

    /// <inheritdoc/>
    public override void Complete(uint tag, BlockResult result)
    {
        if (_beginnings.Remove(tag, out OwnedMemory? beginning))
        {
            beginning.Dispose();
        }

        base.Complete(tag, result);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        foreach (OwnedMemory beginning in _beginnings.Values)
        {
            beginning.Dispose();
        }

        _beginnings.Clear();
    }

    private protected override void Begin(in ChannelCall call)
    {
        if (call.Kind == ChannelCallKind.Write && call.OffsetBytes < ImageFormats.ProbeBytes)
        {
            WriteBeginning(in call);
        }
        else
        {
            call.MakeOn(Inner);
        }
    }

    private void WriteBeginning(in ChannelCall call)
    {
        // Requests are whole sectors, so this one has all of the beginning.
        OwnedMemory beginning = new(ImageFormats.ProbeBytes);
        Segment copy = beginning.Slice(0, ImageFormats.ProbeBytes);
        SegmentCursor cursor = new(call.Segments);
        cursor.CopyTo(copy.Bytes);
        if (ImageFormats.Probe(copy.Bytes) != ImageFormat.Raw)
        {
            beginning.Dispose();
            Completions.Complete(call.Tag, BlockResult.IoError);
            return;
        }

        _beginnings.Add(call.Tag, beginning);
        (call with { Segments = Behind(copy, call.Segments) }).MakeOn(Inner);
    }

    /// <summary>The memory of a request with another piece in front, in place of as many bytes.</summary>
    private static ArraySegment<Segment> Behind(Segment front, ArraySegment<Segment> segments)
    {
        Segment[] memory = GC.AllocateArray<Segment>(segments.Count + 1, pinned: true);
        memory[0] = front;
        int count = 1;
        int skipped = front.Length;
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            int cut = Math.Min(skipped, segment.Length);
            skipped -= cut;
            if (cut < segment.Length)
            {
                memory[count] = segment.Slice(cut, segment.Length - cut);
                count++;
            }
        }

        return new(memory, 0, count);
    }
}
