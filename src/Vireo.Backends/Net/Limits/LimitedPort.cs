using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.Backends.Net.Limits;

/// <summary>Another port of which only so much is let through, each direction for itself.</summary>
/// <remarks>
/// Nothing is dropped here: what the driver sends waits in its ring, and what comes waits where the other port keeps it. So a guest
/// that sends too much is slowed down, and does not lose.
/// </remarks>
public sealed class LimitedPort : INetPort, IDisposable
{
    private readonly INetPort _port;
    private readonly EventLoopGroup _loops;
    private readonly PacketMeter _send;
    private readonly PacketMeter _receive;

    /// <summary>Limits a port.</summary>
    /// <param name="port">The port; becomes this object's.</param>
    /// <param name="limits">How much may pass.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <param name="time">The clock; null for the host's.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is negative.</exception>
    public LimitedPort(INetPort port, PortLimits limits, EventLoopGroup loops, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(port);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentOutOfRangeException.ThrowIfNegative(limits.BitsPerSecond, nameof(limits));
        ArgumentOutOfRangeException.ThrowIfNegative(limits.PacketsPerSecond, nameof(limits));
        _port = port;
        _loops = loops;
        _send = new(limits, time ?? TimeProvider.System);
        _receive = new(limits, time ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public NetPortTraits Traits => _port.Traits;

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
        new Sender(_port.OpenSender(pairIndex, queue), new(_loops[queue.LoopIndex], queue, _send));

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        Valve valve = new(_loops[queue.LoopIndex], queue, _receive);
        return new Receiver(_port.OpenReceiver(pairIndex, new Queue(queue, _receive)), valve);
    }

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) => _port.Inject(frame);

    /// <inheritdoc/>
    public void Dispose() => (_port as IDisposable)?.Dispose();

    /// <summary>Wakes a queue when its meter lets something through again.</summary>
    private sealed class Valve : IDisposable
    {
        private readonly EventLoop _loop;
        private readonly PacketMeter _meter;
        private LoopTimer? _timer;
        private bool _isWaiting;

        public Valve(EventLoop loop, INetQueue queue, PacketMeter meter)
        {
            _loop = loop;
            _meter = meter;
            loop.Invoke(() =>
                _timer = loop.StartTimer(
                    Timeout.InfiniteTimeSpan,
                    Timeout.InfiniteTimeSpan,
                    () =>
                    {
                        _isWaiting = false;
                        queue.Wake();
                    }
                )
            );
        }

        /// <summary>Whether something may pass; if not, the queue will be woken.</summary>
        public bool IsOpen
        {
            get
            {
                if (_isWaiting)
                {
                    return false;
                }

                if (_meter.IsOpen)
                {
                    return true;
                }

                _isWaiting = true;
                _timer!.Change(_meter.Wait, Timeout.InfiniteTimeSpan);
                return false;
            }
        }

        public void Charge(int lengthBytes) => _meter.Charge(lengthBytes);

        public void Dispose() => _loop.Invoke(_timer!.Dispose);
    }

    private sealed class Sender(INetSender sender, Valve valve) : INetSender
    {
        public bool HasRoom => sender.HasRoom && valve.IsOpen;

        public void Send(in NetFrame frame)
        {
            valve.Charge(frame.LengthBytes);
            sender.Send(in frame);
        }

        public void Flush() => sender.Flush();

        public void Dispose()
        {
            valve.Dispose();
            sender.Dispose();
        }
    }

    private sealed class Receiver(INetReceiver receiver, Valve valve) : INetReceiver
    {
        public int Receive(int countMax)
        {
            int count = 0;
            while (count < countMax && valve.IsOpen)
            {
                int taken = receiver.Receive(1);
                if (taken == 0)
                {
                    break;
                }

                count += taken;
            }

            return count;
        }

        public void Dispose()
        {
            valve.Dispose();
            receiver.Dispose();
        }
    }

    private sealed class Queue(INetReceiveQueue queue, PacketMeter meter) : INetReceiveQueue
    {
        public int LoopIndex => queue.LoopIndex;

        public void Wake() => queue.Wake();

        public NetDelivery Deliver(in NetFrame frame)
        {
            NetDelivery delivery = queue.Deliver(in frame);
            if (delivery != NetDelivery.Full)
            {
                meter.Charge(frame.LengthBytes);
            }

            return delivery;
        }

        public void NoteLost(int count = 1) => queue.NoteLost(count);
    }
}
