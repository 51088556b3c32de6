using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Null;

/// <summary>A plug that leads back: every frame sent on a pair is received on the same pair, as it was sent.</summary>
/// <remarks>A frame for which the driver has no receive buffer is lost and counted by its queue.</remarks>
public sealed class LoopbackPort : INetPort
{
    /// <summary>The receive queue of each pair while it runs. Both queues of a pair run on one loop.</summary>
    private readonly INetReceiveQueue?[] _queues = new INetReceiveQueue?[NetDevice.PairsLimit];

    /// <inheritdoc/>
    public NetPortTraits Traits { get; } =
        new()
        {
            PairsMax = NetDevice.PairsLimit,
            SendOffloads = NetOffloads.All,
            ReceiveOffloads = NetOffloads.All,
        };

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => new Sender(this, pairIndex);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        // Release: the queue is complete before its neighbour on the loop finds it.
        Volatile.Write(ref _queues[pairIndex], queue);
        return new Receiver(this, pairIndex);
    }

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) { }

    private sealed class Sender(LoopbackPort port, int pairIndex) : INetBurstSender
    {
        public bool HasRoom => true;

        public void Send(in NetFrame frame)
        {
            // Acquire: pairs with the store in OpenReceiver.
            INetReceiveQueue? queue = Volatile.Read(ref port._queues[pairIndex]);
            if (queue?.Deliver(in frame) == NetDelivery.Full)
            {
                queue.NoteLost();
            }
        }

        public void Send(in NetBurst burst)
        {
            // Acquire: as above.
            INetReceiveQueue? queue = Volatile.Read(ref port._queues[pairIndex]);
            queue?.NoteLost(burst.Frames.Length - queue.Deliver(in burst).Taken);
        }

        public void Flush() { }

        public void Dispose() { }
    }

    private sealed class Receiver(LoopbackPort port, int pairIndex) : INetReceiver
    {
        public int Receive(int countMax) => 0;

        // Release: as in OpenReceiver; a frame that still finds the queue is dropped by it.
        public void Dispose() => Volatile.Write(ref port._queues[pairIndex], null);
    }
}
