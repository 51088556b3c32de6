using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Devices.Block;

/// <summary>One request in flight: what must outlive its chain. Preallocated per head of the queue.</summary>
/// <remarks>
/// <code>
///   free ──Begin──▶ waiting for the channel ⇄ next step ──▶ answered, free
/// </code>
/// </remarks>
[StructLayout(LayoutKind.Auto)]
internal struct BlockRequest
{
    /// <summary>The chain's name.</summary>
    public ushort Head;

    /// <summary>Whether the channel owes a result.</summary>
    public bool IsWaiting;

    /// <summary>Whether the channel is being called: its result, if it comes now, is picked up when the call returns.</summary>
    public bool IsSubmitting;

    /// <summary>Whether a flush is the last step: it was asked for, or ranges are to be stable.</summary>
    public bool NeedsFlush;

    /// <summary>How the last step ended.</summary>
    public BlockResult Result;

    /// <summary>What was asked for.</summary>
    public BlockRequestType Type;

    /// <summary>The byte that takes the status: the last writable one of the chain.</summary>
    public Segment Status;

    /// <summary>Writable bytes in front of the status byte.</summary>
    public uint WritableDataBytes;

    /// <summary>Bytes of data the request moves, in whichever direction.</summary>
    public uint DataBytes;

    /// <summary>Where the data lies; leased from the pool.</summary>
    public ArraySegment<Segment> Data;

    /// <summary>Where the sector of a zone append is written: eight bytes in front of the status; in the same lease as the data.</summary>
    public ArraySegment<Segment> AppendSector;

    /// <summary>The ranges of a discard or write zeroes request; leased.</summary>
    public BlockRange[]? Ranges;

    /// <summary>How many ranges there are.</summary>
    public int RangeCount;

    /// <summary>The next range.</summary>
    public int RangeIndex;

    /// <summary>Takes over what every chain with a writable byte has.</summary>
    /// <param name="chain">The chain.</param>
    public void Begin(in DescriptorChain chain)
    {
        Segment last = chain.Writable[^1];
        Head = chain.Head;
        IsWaiting = false;
        IsSubmitting = false;
        NeedsFlush = false;
        Result = BlockResult.Done;
        Status = last.Slice(last.Length - 1, 1);
        WritableDataBytes = chain.WritableBytes - 1;
        DataBytes = 0;
        RangeCount = 0;
        RangeIndex = 0;
    }

    /// <summary>Writes the status byte, and says how many bytes to report as used.</summary>
    /// <param name="status">The answer.</param>
    /// <param name="writtenBytes">Bytes written from the start of the writable part.</param>
    /// <returns>
    /// The bytes written without a gap: the status byte counts only when all in front of it was written (VIRTIO 1.4 §2.7.8.2).
    /// </returns>
    public readonly uint Answer(BlockStatus status, uint writtenBytes)
    {
        Status.Bytes[0] = (byte)status;
        return writtenBytes == WritableDataBytes ? writtenBytes + 1 : writtenBytes;
    }
}
