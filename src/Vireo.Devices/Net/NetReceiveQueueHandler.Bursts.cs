using Vireo.Core.Memory;
using Vireo.Core.Queues;

namespace Vireo.Devices.Net;

/// <summary>Places frames that come together: each into a buffer of its own, as long as that is all there is to it.</summary>
internal sealed partial class NetReceiveQueueHandler
{
    /// <summary>How many bytes were written to each buffer of the burst at hand.</summary>
    private readonly uint[] _burstBytes = new uint[DeviceQueue.PeekMax];

    /// <inheritdoc/>
    public NetBurstDelivery Deliver(in NetBurst burst)
    {
        NetBurstDelivery sum = default;
        Span<byte> startRoom = stackalloc byte[NetBurst.StartBytes];
        Span<Segment> restRoom = stackalloc Segment[1];
        while (sum.Taken < burst.Frames.Length)
        {
            NetBurst left = burst.Slice(sum.Taken, burst.Frames.Length - sum.Taken);
            int count = PlaceBurst(in left, out long bytes);
            if (count > 0)
            {
                sum = new(sum.Taken + count, sum.Delivered + count, sum.DeliveredBytes + bytes);
                continue;
            }

            switch (Deliver(left.FrameAt(0, startRoom, restRoom)))
            {
                case NetDelivery.Full:
                    return sum;
                case NetDelivery.Delivered:
                    sum = new(sum.Taken + 1, sum.Delivered + 1, sum.DeliveredBytes + left.Frames[0].Length);
                    break;
                default:
                    sum = sum with { Taken = sum.Taken + 1 };
                    break;
            }
        }

        return sum;
    }

    /// <summary>Places the first frames of a burst, as far as nothing has to be decided about them and each fits in the buffer that is next.</summary>
    /// <returns>How many were placed; none when the first wants a closer look.</returns>
    private int PlaceBurst(in NetBurst burst, out long bytes)
    {
        bytes = 0;
        NetReceiveState state = _device.State;
        if (IsStopping || !state.IsLinkUp || state.NeedsHead || _hasLongHeader || _stock.Count > 0)
        {
            return 0;
        }

        int lengthMax = state.FrameBytesMax == 0 ? NetFrame.LengthMax : state.FrameBytesMax;
        ReadOnlySpan<Segment> frames = burst.Frames;
        ReadOnlySpan<Segment> buffers = Queue.Peek(MemoryAccess.Write);
        int countMax = Math.Min(buffers.Length, frames.Length);
        int count = 0;
        for (; count < countMax; count++)
        {
            int lengthBytes = frames[count].Length;
            ref readonly Segment buffer = ref buffers[count];
            if (lengthBytes > lengthMax || lengthBytes > buffer.Length - NetHeader.LengthBytes)
            {
                break;
            }

            WritePlainHeader(in buffer);
            burst.CopyTo(count, buffer.Bytes[NetHeader.LengthBytes..]);
            _burstBytes[count] = (uint)(NetHeader.LengthBytes + lengthBytes);
            bytes += lengthBytes;
        }

        if (count > 0)
        {
            _statistics.AddPackets(count, bytes);
            CompletePeeked(_burstBytes.AsSpan(0, count));
        }

        return count;
    }
}
