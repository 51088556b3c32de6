using Vireo.Core.Memory;

namespace Vireo.Devices.Net;

/// <summary>A receive queue of a network device as its port sees it.</summary>
public interface INetReceiveQueue : INetQueue
{
    /// <summary>Gives the driver a frame. On the queue's loop, in a turn of the queue or out of it.</summary>
    /// <param name="frame">The frame; its header has been checked against it. Copied before the call returns.</param>
    NetDelivery Deliver(in NetFrame frame);

    /// <summary>Gives the driver frames, one after the other until it has no more buffers. On the queue's loop, like the other.</summary>
    /// <param name="burst">The frames; copied before the call returns.</param>
    NetBurstDelivery Deliver(in NetBurst burst)
    {
        NetBurstDelivery sum = default;
        Span<byte> startRoom = stackalloc byte[NetBurst.StartBytes];
        Span<Segment> restRoom = stackalloc Segment[1];
        while (sum.Taken < burst.Frames.Length)
        {
            NetFrame frame = burst.FrameAt(sum.Taken, startRoom, restRoom);
            NetDelivery delivery = Deliver(in frame);
            if (delivery == NetDelivery.Full)
            {
                break;
            }

            sum =
                delivery == NetDelivery.Delivered
                    ? new(sum.Taken + 1, sum.Delivered + 1, sum.DeliveredBytes + frame.LengthBytes)
                    : sum with
                    {
                        Taken = sum.Taken + 1,
                    };
        }

        return sum;
    }

    /// <summary>Counts a frame that was <see cref="NetDelivery.Full"/> and is not tried again. On the queue's loop.</summary>
    /// <param name="count">How many such frames.</param>
    void NoteLost(int count = 1);
}
