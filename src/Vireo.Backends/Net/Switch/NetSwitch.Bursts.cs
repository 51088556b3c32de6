using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Switch;

/// <summary>Forwards frames that come together: those for the same port, one behind the other, leave together.</summary>
public sealed partial class NetSwitch
{
    /// <summary>Copies of the beginnings of the frames at hand, by which it is decided.</summary>
    private readonly Vector128<byte>[] _starts = new Vector128<byte>[DeviceQueue.PeekMax];

    /// <summary>Brings frames to where they belong. On the switch's loop.</summary>
    internal void Forward(SwitchPort from, in NetBurst burst)
    {
        ReadOnlySpan<Segment> frames = burst.Frames;
        int done = 0;
        while (done < frames.Length)
        {
            int count = Math.Min(frames.Length - done, _starts.Length);
            ForwardSome(from, frames.Slice(done, count));
            done += count;
        }
    }

    private void ForwardSome(SwitchPort from, ReadOnlySpan<Segment> frames)
    {
        SwitchPort? to = null;
        Vector128<byte> last = default;
        int first = 0;
        long bytes = 0;
        for (int index = 0; index < frames.Length; index++)
        {
            ref readonly Segment frame = ref frames[index];
            // A tag is looked into, and changed, in the common way.
            SwitchPort? next = null;
            if (frame.Length >= HeadBytes)
            {
                var start = Vector128.Create<byte>(frame.Bytes);
                _starts[index] = start;
                next = to is not null && HaveSameAddresses(start, last) ? to : Lookup(from, start);
                last = start;
            }

            if (!ReferenceEquals(next, to))
            {
                Give(from, to, frames, first, index - first, bytes);
                to = next;
                first = index;
                bytes = 0;
            }

            bytes += frame.Length;
        }

        Give(from, to, frames, first, frames.Length - first, bytes);
    }

    /// <summary>Finds the one port that gets a frame as it is.</summary>
    /// <param name="from">Where it came from.</param>
    /// <param name="start">A copy of its beginning.</param>
    /// <returns>Null when there is more to it.</returns>
    private SwitchPort? Lookup(SwitchPort from, Vector128<byte> start)
    {
        Span<byte> bytes = stackalloc byte[NetBurst.StartBytes];
        start.CopyTo(bytes);
        var destination = MacAddress.Read(bytes);
        var source = MacAddress.Read(bytes[MacAddress.LengthBytes..]);
        if (destination.IsGroup || source.IsGroup || ReadType(bytes) == EtherTypeTag)
        {
            return null;
        }

        int vlan = from.Vlan ?? 0;
        _addresses.Learn(vlan, source, from, _nowMs);
        SwitchPort? to = _addresses.Find(vlan, destination, _nowMs);
        return to is not null && !ReferenceEquals(to, from) && to.Vlan == from.Vlan ? to : null;
    }

    /// <summary>Hands on some of the frames at hand, or none.</summary>
    /// <param name="from">Where they came from.</param>
    /// <param name="to">Where they go; null to treat each by itself.</param>
    /// <param name="frames">All the frames.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="bytes">How long they are together.</param>
    private void Give(SwitchPort from, SwitchPort? to, ReadOnlySpan<Segment> frames, int first, int count, long bytes)
    {
        if (to is not null && count > 0)
        {
            from.Statistics.AddIn(bytes, count);
            to.Deliver(new NetBurst(frames.Slice(first, count), _starts.AsSpan(first, count)));
            return;
        }

        for (int index = first; index < first + count; index++)
        {
            Forward(from, new NetFrame(default, [], frames.Slice(index, 1), frames[index].Length));
        }
    }

    /// <summary>Whether two frames have the same addresses, and the same type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool HaveSameAddresses(Vector128<byte> one, Vector128<byte> other)
    {
        const ulong FirstSix = 0x0000_ffff_ffff_ffff;
        Vector128<ulong> difference = (one ^ other).AsUInt64();
        return (difference[0] | difference[1] & FirstSix) == 0;
    }
}
