namespace Vireo.Devices.Net;

/// <summary>A receive queue of a network device as its port sees it.</summary>
public interface INetReceiveQueue : INetQueue
{
    /// <summary>Gives the driver a frame. On the queue's loop, in a turn of the queue or out of it.</summary>
    /// <param name="frame">The frame; its header has been checked against it. Copied before the call returns.</param>
    NetDelivery Deliver(in NetFrame frame);

    /// <summary>Counts a frame that was <see cref="NetDelivery.Full"/> and is not tried again. On the queue's loop.</summary>
    void NoteLost();
}
