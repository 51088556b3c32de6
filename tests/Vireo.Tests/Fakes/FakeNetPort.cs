using Vireo.Devices.Net;

namespace Vireo.Tests.Fakes;

/// <summary>A port that keeps what it is given, and brings what a test puts into it.</summary>
internal sealed class FakeNetPort : INetPort
{
    private readonly Queue<(NetHeader Header, NetTunnelOffsets Tunnel, byte[] Frame)> _incoming = new();

    public NetPortTraits Traits { get; init; } =
        new()
        {
            PairsMax = 4,
            SendOffloads = NetOffloads.All,
            ReceiveOffloads = NetOffloads.All,
        };

    public bool IsLinkUp { get; private set; } = true;

    public Action? LinkChanged { get; set; }

    public List<(NetHeader Header, byte[] Frame, int Pair)> Sent { get; } = [];

    /// <summary>Where the parts of each frame of <see cref="Sent"/> are that is in a tunnel.</summary>
    public List<NetTunnelOffsets> SentTunnels { get; } = [];

    public List<byte[]> Injected { get; } = [];

    public NetOffloads ReceiveOffloads { get; private set; }

    public int PairsUsed { get; private set; }

    public bool HasRoom { get; set; } = true;

    public int FlushCount { get; private set; }

    public Dictionary<int, INetReceiveQueue> Receivers { get; } = [];

    public Dictionary<int, INetQueue> Senders { get; } = [];

    public int Waiting => _incoming.Count;

    /// <summary>Puts a frame where the device finds it, and tells the device.</summary>
    public void Bring(byte[] frame, NetHeader header = default, NetTunnelOffsets tunnel = default)
    {
        _incoming.Enqueue((header, tunnel, frame));
        foreach (INetReceiveQueue queue in Receivers.Values)
        {
            queue.Wake();
        }
    }

    public void SetLink(bool isUp)
    {
        IsLinkUp = isUp;
        LinkChanged?.Invoke();
    }

    public void SetReceiveOffloads(NetOffloads offloads) => ReceiveOffloads = offloads;

    public void SetPairsUsed(int count) => PairsUsed = count;

    public INetSender OpenSender(int pairIndex, INetQueue queue)
    {
        Senders[pairIndex] = queue;
        return new Sender(this, pairIndex);
    }

    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        Receivers[pairIndex] = queue;
        return new Receiver(this, pairIndex, queue);
    }

    public void Inject(ReadOnlySpan<byte> frame) => Injected.Add(frame.ToArray());

    private sealed class Sender(FakeNetPort port, int pair) : INetSender
    {
        public bool HasRoom => port.HasRoom;

        public void Send(in NetFrame frame)
        {
            byte[] bytes = new byte[frame.LengthBytes];
            frame.CopyTo(bytes);
            port.Sent.Add((frame.Header, bytes, pair));
            if (frame.Header.IsTunnel)
            {
                port.SentTunnels.Add(frame.Tunnel);
            }
        }

        public void Flush() => port.FlushCount++;

        public void Dispose() => port.Senders.Remove(pair);
    }

    private sealed class Receiver(FakeNetPort port, int pair, INetReceiveQueue queue) : INetReceiver
    {
        public int Receive(int countMax)
        {
            int count = 0;
            while (
                count < countMax
                && port._incoming.TryPeek(out (NetHeader Header, NetTunnelOffsets Tunnel, byte[] Frame) next)
            )
            {
                NetFrame frame = new(next.Header, next.Frame, [], next.Frame.Length) { Tunnel = next.Tunnel };
                if (queue.Deliver(in frame) == NetDelivery.Full)
                {
                    break;
                }

                port._incoming.Dequeue();
                count++;
            }

            return count;
        }

        public void Dispose() => port.Receivers.Remove(pair);
    }
}
