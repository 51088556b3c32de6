using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.Backends.Net.Switch;

/// <summary>A way out of a switch: another port - a tap, a socket - is plugged into it like a device.</summary>
public sealed class SwitchUplink : IDisposable
{
    private const int FramesPerTurnMax = 256;

    private readonly NetSwitch _switch;
    private readonly SwitchPort _place;
    private readonly Outward _outward;
    private readonly Inward _inward;

    /// <summary>Plugs a port in.</summary>
    /// <param name="owner">The switch; has a loop.</param>
    /// <param name="place">Where it is plugged in; becomes this object's.</param>
    /// <param name="port">What is plugged in; stays the caller's and has to outlive this object. Its first pair is used.</param>
    public SwitchUplink(NetSwitch owner, SwitchPort place, INetPort port)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(port);
        EventLoop loop = owner.Loop ?? throw new ArgumentException("the switch has no loop", nameof(owner));
        _switch = owner;
        _place = place;
        _outward = new(port);
        _inward = new(owner, place, _outward);
        port.SetReceiveOffloads(port.Traits.ReceiveOffloads);
        port.SetPairsUsed(1);
        loop.Invoke(() =>
        {
            loop.Add(_inward);
            _outward.Begin(_inward);
            _inward.Begin(port);
            place.OpenReceiver(0, _outward);
        });
    }

    /// <summary>Unplugs it, and takes the switch's port away.</summary>
    public void Dispose()
    {
        _switch.Invoke(() =>
        {
            _place.Close();
            _switch.Loop!.Remove(_inward);
        });
        _inward.Dispose();
        _outward.Dispose();
        _place.Dispose();
    }

    /// <summary>Frames from the switch to the port. Does what the port cannot.</summary>
    private sealed class Outward(INetPort port) : INetReceiveQueue, IDisposable
    {
        private readonly NetSegmenter _segmenter = new();
        private readonly NetOffloads _offloads = port.Traits.SendOffloads;
        private INetSender? _sender;
        private Inward? _task;
        private bool _isDirty;

        public int LoopIndex => 0;

        public void Begin(Inward task)
        {
            _task = task;
            _sender = port.OpenSender(0, this);
        }

        // There is room again: nothing waits for it here.
        public void Wake() { }

        public NetDelivery Deliver(in NetFrame frame)
        {
            if (!_sender!.HasRoom)
            {
                return NetDelivery.Full;
            }

            if (!_isDirty)
            {
                _isDirty = true;
                _task!.Activate();
            }

            // A checksum that somebody found right is no work for the port, and no claim of ours.
            NetFrame checkless = frame.Header.IsChecksumPartial ? frame : frame.WithHeader(default);
            if (NetHeaderCheck.IsTaken(checkless.Header, _offloads))
            {
                _sender.Send(in checkless);
                return NetDelivery.Delivered;
            }

            if (!_segmenter.TryBegin(in frame))
            {
                return NetDelivery.Dropped;
            }

            while (_sender.HasRoom && _segmenter.TryNext(out ReadOnlySpan<byte> segment))
            {
                _sender.Send(new(default, segment, [], segment.Length));
            }

            return NetDelivery.Delivered;
        }

        public void NoteLost(int count = 1) { }

        public void Flush()
        {
            if (_isDirty)
            {
                _isDirty = false;
                _sender!.Flush();
            }
        }

        public void Dispose() => _sender?.Dispose();
    }

    /// <summary>Frames from the port to the switch, in turns.</summary>
    private sealed class Inward(NetSwitch owner, SwitchPort place, Outward outward)
        : LoopTask,
            INetReceiveQueue,
            IDisposable
    {
        private INetReceiver? _receiver;

        public int LoopIndex => 0;

        public void Begin(INetPort port)
        {
            _receiver = port.OpenReceiver(0, this);
            Activate();
        }

        public void Wake() => Activate();

        public NetDelivery Deliver(in NetFrame frame)
        {
            owner.Forward(place, in frame);
            return NetDelivery.Delivered;
        }

        public void NoteLost(int count = 1) { }

        public void Dispose() => _receiver?.Dispose();

        protected override bool Run()
        {
            int count = _receiver?.Receive(FramesPerTurnMax) ?? 0;
            outward.Flush();
            if (count > 0)
            {
                owner.Refresh();
            }

            return count > 0;
        }

        // Ports wake their queue for what comes; what was sent has been flushed in the turn before.
        protected override bool TryArm() => true;
    }
}
