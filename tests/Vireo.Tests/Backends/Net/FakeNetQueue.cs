using Vireo.Devices.Net;

namespace Vireo.Tests.Backends.Net;

/// <summary>A receive queue that keeps what it is given, and takes a turn whenever it is woken.</summary>
internal sealed class FakeNetQueue : INetReceiveQueue
{
    private readonly Lock _gate = new();
    private readonly List<byte[]> _frames = [];

    public int LoopIndex => 0;

    /// <summary>What has a turn when the queue is woken; set after the receiver was opened.</summary>
    public INetReceiver? Receiver { get; set; }

    /// <summary>Whether the driver has no buffers.</summary>
    public bool IsFull { get; set; }

    public int Lost { get; private set; }

    public byte[][] Frames
    {
        get
        {
            lock (_gate)
            {
                return [.. _frames];
            }
        }
    }

    public void Wake()
    {
        // Comes on the port's loop; a turn takes some frames, and goes on while there are some.
        while (Receiver?.Receive(16) == 16) { }
    }

    public NetDelivery Deliver(in NetFrame frame)
    {
        if (IsFull)
        {
            return NetDelivery.Full;
        }

        byte[] bytes = new byte[frame.LengthBytes];
        frame.CopyTo(bytes);
        lock (_gate)
        {
            _frames.Add(bytes);
        }

        return NetDelivery.Delivered;
    }

    public void NoteLost(int count = 1) => Lost += count;
}
