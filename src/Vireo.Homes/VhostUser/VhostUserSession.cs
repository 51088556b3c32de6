using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>One front-end from its first message to its end: what was negotiated, memory, rings, and the device's state.</summary>
/// <remarks>Used by the home's control thread only. When it ends the device is as it was before.</remarks>
internal sealed class VhostUserSession : IDisposable
{
    private readonly DeviceHost _host;
    private readonly MessageSocket _socket;
    private readonly ILogger _log;

    /// <summary>The socket for requests of our own; null until the front-end gives one.</summary>
    private BackEndChannel? _backEnd;

    /// <summary>The device's state on its way, or how its way ended; null before the first.</summary>
    public StateTransfer? Transfer { get; private set; }

    /// <summary>Post-copy migration, as far as it has come.</summary>
    public Postcopy Postcopy { get; } = new();

    /// <summary>Hears of it when the front-end cuts memory that it shares.</summary>
    public CutAlarm Cut { get; }

    /// <summary>The home's loop.</summary>
    public EventLoop Control => _host.Control;

    /// <summary>Signals that pages were recorded; null until the front-end wants to know.</summary>
    private LogTicker? _logTicker;

    /// <summary>Whether the front-end has yet to be told that the configuration space has changed.</summary>
    private bool _isConfigChangePending;

    /// <summary>Whether the message that is being handled was answered.</summary>
    private bool _isAnswered;

    /// <summary>Begins a session.</summary>
    /// <param name="device">The device, in the state of reset; stays the home's.</param>
    /// <param name="host">What the device knows of the home.</param>
    /// <param name="socket">The connection; stays the caller's.</param>
    /// <param name="protocolFeatures">The protocol features on offer.</param>
    /// <param name="cut">Hears of it when shared memory is cut; stays the caller's.</param>
    /// <param name="log">Where it is said what the peer does.</param>
    public VhostUserSession(
        VirtioDevice device,
        DeviceHost host,
        MessageSocket socket,
        ulong protocolFeatures,
        CutAlarm cut,
        ILogger log
    )
    {
        Cut = cut;
        _host = host;
        _socket = socket;
        _log = log;
        Lifecycle = new(device, Offers.Virtio(device));
        Features = new(Lifecycle.Offered, protocolFeatures);
        Memory = new(Features, (address, access) => host.Control.Post(() => AskForTranslation(address, access)));
        Rings = new(Lifecycle, Memory, Features);
    }

    /// <summary>The device's status machine.</summary>
    public DeviceLifecycle Lifecycle { get; }

    /// <summary>What is on offer and what was chosen.</summary>
    public NegotiatedFeatures Features { get; }

    /// <summary>The driver's memory.</summary>
    public DriverMemory Memory { get; }

    /// <summary>The rings.</summary>
    public RingSet Rings { get; }

    /// <summary>Does what the message says that the socket has received.</summary>
    /// <exception cref="ProtocolException">The message is wrong; the session is to be ended.</exception>
    /// <exception cref="RefusalException">It cannot be done, and the front-end does not wait to hear so.</exception>
    public void Dispatch()
    {
        Message message = _socket.Message;
        try
        {
            if (!MessageTable.TryFind((uint)message.Request, out MessageKind? kind))
            {
                throw new ProtocolException($"message {(uint)message.Request} is unknown");
            }

            if (_log.IsEnabled(LogLevel.Debug))
            {
                LogMessage(kind, message);
            }

            Handle(kind, message);
            TellConfigChange();
        }
        finally
        {
            message.CloseDescriptors();
        }
    }

    /// <summary>Answers the current message with a number.</summary>
    public void Reply(ulong value) => Reply(Wire.Bytes(ref value));

    /// <summary>Answers an earlier message with a number.</summary>
    /// <param name="request">Which message.</param>
    /// <param name="value">The number.</param>
    public void Reply(FrontEndRequest request, ulong value) => Reply(request, Wire.Bytes(ref value), null);

    /// <summary>Answers the current message.</summary>
    /// <param name="payload">The answer.</param>
    /// <param name="descriptor">A descriptor to go with it, or null; stays the caller's.</param>
    public void Reply(ReadOnlySpan<byte> payload, SafeHandle? descriptor = null) =>
        Reply(_socket.Message.Request, payload, descriptor);

    /// <summary>Says in the log why an answer was an error.</summary>
    public void Explain(string request, string reason) => _log.Refused(request, reason);

    /// <summary>Takes note of a transfer of the device's state; one that is under way is given up.</summary>
    public void ReplaceTransfer(StateTransfer transfer)
    {
        Transfer?.Dispose();
        Transfer = transfer;
    }

    /// <summary>Takes the front-end's choice of protocol features.</summary>
    public void SetProtocolFeatures(ulong features)
    {
        Features.NegotiateProtocol(features);
        if (Features.Has(ProtocolFeature.InBandNotifications))
        {
            Rings.CallByMessages(ring => _host.Control.Post(() => Call(ring)));
        }
    }

    /// <summary>Sends a request of our own.</summary>
    /// <param name="feature">The protocol feature it needs.</param>
    /// <param name="request">Which.</param>
    /// <param name="payload">Its payload.</param>
    /// <param name="descriptor">A descriptor to go with it, or null; stays the caller's.</param>
    /// <param name="done">Given the answer; null when nobody wants to know.</param>
    public void Ask(
        int feature,
        BackEndRequest request,
        ReadOnlySpan<byte> payload,
        SafeHandle? descriptor,
        Action<BackEndAnswer>? done
    )
    {
        bool mayCarry = descriptor is null || Features.Has(ProtocolFeature.BackEndSendDescriptors);
        if (_backEnd is null || !Features.Has(feature) || !mayCarry)
        {
            done?.Invoke(BackEndAnswer.Failure);
            return;
        }

        // A look-up is answered always; the rest only where answers were negotiated, and counts as done when it is sent.
        bool isAnswered = Features.Has(ProtocolFeature.ReplyAck) || request == BackEndRequest.SharedObjectLookup;
        _backEnd.Send(request, payload, descriptor, isAnswered ? done : null);
        if (!isAnswered)
        {
            done?.Invoke(new(IsGood: true, null));
        }
    }

    private void Reply(FrontEndRequest request, ReadOnlySpan<byte> payload, SafeHandle? descriptor)
    {
        _isAnswered = true;
        MessageHeader header = new() { Request = (uint)request, Flags = MessageFlags.Version | MessageFlags.Reply };
        // A front-end that has gone is met at the next receive.
        _socket.Send(header, payload, descriptor);
    }

    /// <summary>Takes the driver's choice of features.</summary>
    public void SetFeatures(ulong features)
    {
        FeatureSet before = Features.AcceptedByDriver;
        bool wasLogging = Features.IsLogging;
        bool isFirst = Features.Accepted is null;
        ulong unknown = features & ~Features.Offered;
        if (unknown != 0)
        {
            throw new ProtocolException($"features {new FeatureSet(unknown)} were accepted but never offered");
        }

        Features.Accept(features);
        if (isFirst || Features.AcceptedByDriver != before)
        {
            Negotiate();
            ChangeMemory(static () => { });
        }
        else if (Features.IsLogging != wasLogging)
        {
            ChangeMemory(static () => { });
        }

        if (!Features.HasProtocolFeatures)
        {
            Rings.EnableAll();
        }

        Rings.UpdateAll();
    }

    /// <summary>Takes the socket for requests of our own.</summary>
    /// <param name="descriptor">The socket; becomes the session's.</param>
    public void SetBackEndSocket(SafeFileHandle descriptor)
    {
        try
        {
            BackEndChannel channel = new(UnixChannel.FromDescriptor(descriptor), _host.Control, _log);
            _backEnd?.Dispose();
            _backEnd = channel;
        }
        catch (LinuxException exception)
        {
            throw new ProtocolException(exception.Message, exception);
        }
    }

    /// <summary>Changes the driver's memory: halts the queues, changes, and lets them go on.</summary>
    /// <param name="change">Changes <see cref="Memory"/>, or nothing where only what was negotiated about it has changed.</param>
    public void ChangeMemory(Action change)
    {
        Rings.HaltAll();
        try
        {
            change();
        }
        finally
        {
            Lifecycle.Attach(_host, Postcopy.Await(Memory.ToGuestMemory()));
        }

        Rings.UpdateAll();
    }

    /// <summary>Changes the driver's memory during post-copy: no queue runs until the front-end has said that it is ready.</summary>
    /// <param name="change">Changes <see cref="Memory"/>.</param>
    public void ExpectMemory(Action change)
    {
        Rings.IsHeld = true;
        Postcopy.Expect();
        ChangeMemory(change);
    }

    /// <summary>The front-end is ready for faults: queues may run.</summary>
    public void ArmMemory()
    {
        Postcopy.Arm(Memory.Table);
        Rings.IsHeld = false;
        Rings.UpdateAll();
    }

    /// <summary>All pages of the driver's memory have come.</summary>
    public void EndPostcopy()
    {
        Postcopy.End();
        Rings.IsHeld = false;
        Rings.UpdateAll();
    }

    /// <summary>Takes a descriptor to signal from time to time while pages are recorded.</summary>
    /// <param name="descriptor">The descriptor; becomes the session's.</param>
    public void SetLogEvent(EventFd descriptor)
    {
        _logTicker?.Dispose();
        _logTicker = new(descriptor, _host.Control, () => Memory.Log is not null && Lifecycle.HasRunningQueue);
    }

    /// <summary>Resets the device; the connection, its memory and its protocol features stay.</summary>
    public void ResetDevice()
    {
        Lifecycle.Reset();
        Features.ForgetAccepted();
        Rings.Reset();
        _isConfigChangePending = false;
    }

    /// <summary>Writes the device status; 0 resets.</summary>
    public void SetStatus(DeviceStatus status)
    {
        if (status == DeviceStatus.None)
        {
            ResetDevice();
            return;
        }

        Lifecycle.WriteStatus(status, Features.AcceptedByDriver);
    }

    /// <summary>The configuration space has changed.</summary>
    public void OnConfigChanged()
    {
        _isConfigChangePending = true;
        TellConfigChange();
    }

    /// <summary>The driver broke a ring.</summary>
    public void OnFault(int queueIndex, QueueFault fault)
    {
        _log.RingIsBroken(queueIndex, fault);
        TellError(queueIndex);
        AskForReset();
    }

    /// <summary>The device has lost what it works with.</summary>
    public void OnLoss(string reason)
    {
        _log.DeviceIsLost(reason);
        for (int index = 0; index < Rings.Count; index++)
        {
            TellError(index);
        }

        AskForReset();
    }

    /// <summary>Ends the session: stops the queues, resets the device, gives up memory and descriptors.</summary>
    public void Dispose()
    {
        // First: a queue may wait for a page that nobody supplies any more.
        Postcopy.Dispose();
        Lifecycle.Reset();
        Lifecycle.Attach(_host, DeviceHost.NoMemory);
        Rings.Dispose();
        Memory.Dispose();
        _backEnd?.Dispose();
        _logTicker?.Dispose();
        Transfer?.Dispose();
    }

    private void TellError(int queueIndex)
    {
        if (!Rings.TrySignalError(queueIndex) && Features.Has(ProtocolFeature.InBandNotifications))
        {
            VringState state = new() { Index = (uint)queueIndex };
            _backEnd?.Send(BackEndRequest.RingError, Wire.Bytes(ref state), done: static _ => { });
        }
    }

    /// <summary>Calls by a message. One at a time: what comes while it waits for its answer is one more call after it.</summary>
    private void Call(Ring ring)
    {
        if (ring.IsCallPending)
        {
            ring.IsCallDue = true;
            return;
        }

        ring.IsCallDue = false;
        VringState state = new() { Index = (uint)ring.Index };
        if (_backEnd is not null)
        {
            ring.IsCallPending = true;
            _backEnd.Send(BackEndRequest.RingCall, Wire.Bytes(ref state), done: answer => OnCallAnswered(ring, answer));
        }
    }

    private void OnCallAnswered(Ring ring, BackEndAnswer answer)
    {
        ring.IsCallPending = false;
        if (ring.IsCallDue && answer.IsGood)
        {
            Call(ring);
        }
    }

    private void AskForReset()
    {
        if (Lifecycle.MarkNeedsReset() && Features.Has(ProtocolFeature.Status))
        {
            // The driver is told that the status has changed by way of the configuration space (VIRTIO 1.4 §2.1.2).
            OnConfigChanged();
        }
    }

    private static void Check(MessageKind kind, Message message)
    {
        MessageForm form = kind.Form;
        bool isGood =
            message.Payload.Length >= form.PayloadMin
            && message.Payload.Length <= form.PayloadMax
            && message.DescriptorCount >= form.DescriptorsMin
            && message.DescriptorCount <= form.DescriptorsMax;
        if (!isGood)
        {
            throw new ProtocolException(
                $"{message.Payload.Length} bytes and {message.DescriptorCount} descriptors came, where {form} were expected"
            );
        }
    }

    private void LogMessage(MessageKind kind, Message message)
    {
        ReadOnlySpan<byte> payload = message.Payload;
        // Enough for all messages but configuration spaces and memory tables.
        const int ShownMax = 40;
        string shown = Convert.ToHexStringLower(payload[..Math.Min(payload.Length, ShownMax)]);
        _log.Received(kind.Name, payload.Length, shown, message.DescriptorCount);
    }

    private void Handle(MessageKind kind, Message message)
    {
        // Asked for before the message is handled: it may be the one that negotiates answers.
        bool isAcknowledged = message.NeedsReply && !kind.HasReply && Features.Has(ProtocolFeature.ReplyAck);
        _isAnswered = false;
        try
        {
            CheckFeature(kind);
            Check(kind, message);
            kind.Handle(this, message);
        }
        catch (ProtocolException exception)
        {
            throw new ProtocolException($"{kind.Name}: {exception.Message}", exception);
        }
        catch (RefusalException exception) when (isAcknowledged && !_isAnswered)
        {
            _log.Refused(kind.Name, exception.Message);
            Reply(1);
            return;
        }
        catch (RefusalException exception)
        {
            throw new RefusalException($"{kind.Name}: {exception.Message}", exception);
        }

        if (isAcknowledged && !_isAnswered)
        {
            Reply(0);
        }
    }

    private void CheckFeature(MessageKind kind)
    {
        if (kind.Feature == MessageKind.None)
        {
            return;
        }

        bool isThere = kind.IsOfferEnough ? Features.Offers(kind.Feature) : Features.Has(kind.Feature);
        if (!isThere)
        {
            throw new ProtocolException($"protocol feature {kind.Feature} was not negotiated");
        }
    }

    private void Negotiate()
    {
        if (Lifecycle.HasRunningQueue)
        {
            throw new ProtocolException("the driver's features cannot change while a ring runs");
        }

        if (!Lifecycle.TryNegotiate(Features.AcceptedByDriver, out string? refusal))
        {
            Features.ForgetAccepted();
            throw new RefusalException(refusal!);
        }
    }

    private void AskForTranslation(GuestAddress address, MemoryAccess access)
    {
        IotlbMessage miss = new()
        {
            Address = address.Value,
            Permissions = (byte)access,
            Type = IotlbMessageType.Miss,
        };
        _backEnd?.Send(BackEndRequest.IotlbMessage, Wire.Bytes(ref miss));
    }

    /// <summary>
    /// Tells the front-end that the configuration space has changed. Not before a ring runs: a device whose rings are stopped sends
    /// nothing, and QEMU 11.1 crashes when the message comes before the guest has started the device.
    /// </summary>
    private void TellConfigChange()
    {
        if (
            _isConfigChangePending
            && Features.Has(ProtocolFeature.Config)
            && Lifecycle.HasRunningQueue
            && _backEnd is not null
        )
        {
            _isConfigChangePending = false;
            _backEnd.Send(BackEndRequest.ConfigChange, []);
        }
    }
}
