using System.Runtime.Intrinsics;
using Vireo.Core.Memory;

namespace Vireo.Devices.Net;

/// <summary>Frames on their way together: to none of them is anything yet to be done, and each lies in one piece.</summary>
/// <remarks>
/// Whoever decides by a header copies the beginning, once, decides by the copy and hands the copies on, as with <see cref="NetFrame"/>.
/// Valid during the call it is passed to.
/// </remarks>
public readonly ref struct NetBurst
{
    /// <summary>Length of the beginning of a frame that is copied: two addresses, a type, and two bytes more.</summary>
    public const int StartBytes = 16;

    /// <summary>Makes a burst.</summary>
    /// <param name="frames">The frames, each of <see cref="NetFrame.EthernetBytes"/> to <see cref="NetFrame.LengthMax"/> bytes.</param>
    /// <param name="starts">Copies of the first bytes of each, or none; with copies each frame has <see cref="StartBytes"/> bytes or more.</param>
    public NetBurst(ReadOnlySpan<Segment> frames, ReadOnlySpan<Vector128<byte>> starts)
    {
        Frames = frames;
        Starts = starts;
    }

    /// <summary>The frames, in memory that a driver may write to at any time.</summary>
    public ReadOnlySpan<Segment> Frames { get; }

    /// <summary>What their first bytes are, whatever the memory says now; empty when nobody has looked.</summary>
    public ReadOnlySpan<Vector128<byte>> Starts { get; }

    /// <summary>Some of the frames.</summary>
    /// <param name="start">The first of them, from 0.</param>
    /// <param name="count">How many, from 0.</param>
    public NetBurst Slice(int start, int count) =>
        new(Frames.Slice(start, count), Starts.IsEmpty ? [] : Starts.Slice(start, count));

    /// <summary>One of the frames by itself.</summary>
    /// <param name="index">Which one.</param>
    /// <param name="startRoom">Room for the copy of its first bytes: <see cref="StartBytes"/>.</param>
    /// <param name="restRoom">Room for one segment.</param>
    public NetFrame FrameAt(int index, Span<byte> startRoom, Span<Segment> restRoom)
    {
        Segment frame = Frames[index];
        restRoom[0] = frame;
        if (Starts.IsEmpty)
        {
            return new(default, [], restRoom[..1], frame.Length);
        }

        Starts[index].CopyTo(startRoom);
        restRoom[0] = frame.Slice(StartBytes, frame.Length - StartBytes);
        return new(default, startRoom[..StartBytes], restRoom[..1], frame.Length);
    }

    /// <summary>Copies a frame.</summary>
    /// <param name="index">Which one.</param>
    /// <param name="destination">At least as many bytes as it has.</param>
    public void CopyTo(int index, Span<byte> destination)
    {
        Frames[index].Bytes.CopyTo(destination);
        if (!Starts.IsEmpty)
        {
            Starts[index].CopyTo(destination);
        }
    }
}
