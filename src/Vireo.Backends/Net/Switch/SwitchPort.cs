using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Switch;

/// <summary>One socket of a switch; a device is plugged into it.</summary>
/// <remarks>All its queues run on the switch's loop: it has one way in and one way out.</remarks>
public sealed class SwitchPort : INetPort, IDisposable
{
    private readonly NetSwitch _switch;

    /// <summary>The queue of whoever is plugged in; null while it does not run.</summary>
    private volatile INetReceiveQueue? _queue;

    /// <summary>Thousandths of floods that may still be.</summary>
    private long _floodCredit;

    private long _floodCreditMs = long.MinValue;

    internal SwitchPort(NetSwitch owner, string name, int? vlan)
    {
        _switch = owner;
        Name = name;
        Vlan = vlan;
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; } = new() { SendOffloads = NetOffloads.All, ReceiveOffloads = NetOffloads.All };

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <summary>What it is called, for people.</summary>
    public string Name { get; }

    /// <summary>The VLAN of whoever is plugged in; null when tags go through.</summary>
    public int? Vlan { get; }

    /// <summary>What it has done.</summary>
    public SwitchPortStatistics Statistics { get; } = new();

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => new Sender(this);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        _queue = queue;
        return new Receiver(this);
    }

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        byte[] copy = frame.ToArray();
        _switch.Invoke(() => _switch.Forward(this, new NetFrame(default, copy, [], copy.Length)));
    }

    /// <summary>Takes the port away. What is plugged in has to be unplugged first.</summary>
    public void Dispose() => _switch.Invoke(() => _switch.Remove(this));

    /// <summary>Whoever is plugged in is gone.</summary>
    internal void Close() => _queue = null;

    /// <summary>Gives whoever is plugged in a frame, or loses it.</summary>
    internal void Deliver(in NetFrame frame)
    {
        INetReceiveQueue? queue = _queue;
        if (queue is null)
        {
            return;
        }

        switch (queue.Deliver(in frame))
        {
            case NetDelivery.Delivered:
                Statistics.AddOut(frame.LengthBytes);
                break;
            case NetDelivery.Full:
                queue.NoteLost();
                Statistics.AddFullDrop();
                break;
            default:
                break;
        }
    }

    /// <summary>Gives whoever is plugged in frames, and loses those that find no room.</summary>
    internal void Deliver(in NetBurst burst)
    {
        INetReceiveQueue? queue = _queue;
        if (queue is null)
        {
            return;
        }

        NetBurstDelivery delivery = queue.Deliver(in burst);
        Statistics.AddOut(delivery.DeliveredBytes, delivery.Delivered);
        int lost = burst.Frames.Length - delivery.Taken;
        queue.NoteLost(lost);
        Statistics.AddFullDrop(lost);
    }

    /// <summary>Whether one more frame from here may go to everybody.</summary>
    internal bool TryTakeFlood(int perSecond, long nowMs)
    {
        const long Whole = 1000;
        if (perSecond == 0)
        {
            return true;
        }

        long most = perSecond * Whole;
        long passedMs = _floodCreditMs == long.MinValue ? Whole : Math.Min(nowMs - _floodCreditMs, Whole);
        _floodCreditMs = nowMs;
        _floodCredit = Math.Min(_floodCredit + passedMs * perSecond, most);
        if (_floodCredit < Whole)
        {
            return false;
        }

        _floodCredit -= Whole;
        return true;
    }

    private sealed class Sender(SwitchPort port) : INetBurstSender
    {
        public bool HasRoom => true;

        public void Send(in NetFrame frame) => port._switch.Forward(port, in frame);

        public void Send(in NetBurst burst) => port._switch.Forward(port, in burst);

        public void Flush() => port._switch.Refresh();

        public void Dispose() { }
    }

    private sealed class Receiver(SwitchPort port) : INetReceiver
    {
        public int Receive(int countMax) => 0;

        public void Dispose() => port._queue = null;
    }
}
