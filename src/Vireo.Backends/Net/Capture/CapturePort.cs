using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Capture;

/// <summary>Another port whose packets are recorded, both ways, as they pass between it and the driver.</summary>
/// <remarks>The file is written by the loop that brings the packets: a slow disk slows the network down.</remarks>
public sealed class CapturePort : INetPort, IDisposable
{
    private readonly INetPort _port;
    private readonly PcapngWriter _writer;

    /// <summary>Records a port.</summary>
    /// <param name="port">The port; becomes this object's.</param>
    /// <param name="writer">Where to; becomes this object's.</param>
    public CapturePort(INetPort port, PcapngWriter writer)
    {
        ArgumentNullException.ThrowIfNull(port);
        ArgumentNullException.ThrowIfNull(writer);
        _port = port;
        _writer = writer;
    }

    /// <inheritdoc/>
    public NetPortTraits Traits => _port.Traits with { ReadsFrames = true };

    /// <inheritdoc/>
    public bool IsLinkUp => _port.IsLinkUp;

    /// <inheritdoc/>
    public Action? LinkChanged
    {
        get => _port.LinkChanged;
        set => _port.LinkChanged = value;
    }

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) => _port.SetReceiveOffloads(offloads);

    /// <inheritdoc/>
    public void SetPairsUsed(int count) => _port.SetPairsUsed(count);

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) =>
        new Sender(_port.OpenSender(pairIndex, queue), _writer);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) =>
        new Receiver(_port.OpenReceiver(pairIndex, new Queue(queue, _writer)), _writer);

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        _writer.Write(new(default, frame, [], frame.Length), isFromDriver: true);
        _port.Inject(frame);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        (_port as IDisposable)?.Dispose();
        _writer.Dispose();
    }

    private sealed class Sender(INetSender sender, PcapngWriter writer) : INetSender
    {
        public bool HasRoom => sender.HasRoom;

        public void Send(in NetFrame frame)
        {
            writer.Write(in frame, isFromDriver: true);
            sender.Send(in frame);
        }

        public void Flush()
        {
            sender.Flush();
            writer.Flush();
        }

        public void Dispose() => sender.Dispose();
    }

    private sealed class Receiver(INetReceiver receiver, PcapngWriter writer) : INetReceiver
    {
        public int Receive(int countMax)
        {
            int count = receiver.Receive(countMax);
            if (count > 0)
            {
                writer.Flush();
            }

            return count;
        }

        public void Dispose() => receiver.Dispose();
    }

    private sealed class Queue(INetReceiveQueue queue, PcapngWriter writer) : INetReceiveQueue
    {
        public int LoopIndex => queue.LoopIndex;

        public void Wake() => queue.Wake();

        public NetDelivery Deliver(in NetFrame frame)
        {
            NetDelivery delivery = queue.Deliver(in frame);
            if (delivery != NetDelivery.Full)
            {
                writer.Write(in frame, isFromDriver: false);
            }

            return delivery;
        }

        public void NoteLost(int count = 1) => queue.NoteLost(count);
    }
}
