using System.Diagnostics;
using System.Runtime.InteropServices;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>The front-end's side of a vhost-user connection: asks a back-end to serve rings in memory that we share.</summary>
/// <remarks>
/// <para>
/// One method per thing that the protocol can do, each returning when the back-end has answered, or a message that has no answer
/// was sent. The back-end is not trusted: answers are checked in number, length and descriptors, and have to come in time. Whatever
/// is wrong with one ends the connection: <see cref="IsConnected"/> is then false for ever, and every call throws.
/// </para>
/// <para>
/// Used by one thread at a time. <see cref="VhostUserProxy"/> makes a device of it; <see cref="Connect"/> and a look at the features
/// are enough for a tool.
/// </para>
/// </remarks>
public sealed partial class VhostUserFrontEnd : IDisposable
{
    private readonly MessageSocket _socket;
    private readonly VhostUserFrontEndOptions _options;

    /// <summary>Whether each message asks for an answer (REPLY_ACK).</summary>
    private bool _isAcknowledged;

    private VhostUserFrontEnd(UnixChannel channel, VhostUserFrontEndOptions options)
    {
        _socket = new(channel, MessageFlags.Reply);
        _options = options;
    }

    /// <summary>The virtio features that the back-end offers; those of the protocol itself are left out.</summary>
    public FeatureSet OfferedFeatures { get; private set; }

    /// <summary>The protocol features that the back-end offers, by their numbers in the vhost-user text.</summary>
    public FeatureSet OfferedProtocolFeatures { get; private set; }

    /// <summary>The protocol features in use.</summary>
    public FeatureSet ProtocolFeatures { get; private set; }

    /// <summary>Whether the back-end has protocol features at all; without, rings are enabled as soon as they start.</summary>
    public bool HasProtocolFeatures { get; private set; }

    /// <summary>Whether the connection is good, as far as the last call showed.</summary>
    public bool IsConnected { get; private set; } = true;

    /// <summary>The socket, to be watched for its end; stays this object's.</summary>
    internal SafeHandle Handle => _socket.Handle;

    /// <summary>Connects to a back-end and learns what it offers.</summary>
    /// <param name="path">The socket that the back-end listens on.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="LinuxException">Nobody listens there, or we may not connect.</exception>
    /// <exception cref="DeviceException">The back-end does not speak the protocol.</exception>
    public static VhostUserFrontEnd Connect(string path, VhostUserFrontEndOptions? options = null) =>
        Over(UnixChannel.Connect(path), options);

    /// <summary>Takes over a connection to a back-end and learns what it offers.</summary>
    /// <param name="channel">The connection; becomes this object's, and is closed if this fails.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The back-end does not speak the protocol.</exception>
    public static VhostUserFrontEnd Over(UnixChannel channel, VhostUserFrontEndOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(channel);
        VhostUserFrontEnd frontEnd = new(channel, options ?? new());
        try
        {
            frontEnd.Greet();
            return frontEnd;
        }
        catch
        {
            frontEnd.Dispose();
            throw;
        }
    }

    /// <summary>Whether a protocol feature is in use.</summary>
    /// <param name="protocolFeature">Its number in the vhost-user text.</param>
    public bool Uses(int protocolFeature) => ProtocolFeatures.Contains(protocolFeature);

    /// <summary>Accepts features on the driver's behalf.</summary>
    /// <param name="features">Features below 64; a subset of those offered.</param>
    /// <exception cref="DeviceException">The back-end refuses, or has gone.</exception>
    public void AcceptFeatures(FeatureSet features)
    {
        ulong number = features.WithIf(TransportFeature.ProtocolFeatures, HasProtocolFeatures).Low;
        Send(FrontEndRequest.SetFeatures, number);
    }

    /// <summary>Asks how many queues there are.</summary>
    /// <returns>The number, at least 1; null when the back-end cannot say.</returns>
    /// <exception cref="DeviceException">The back-end says nonsense, or has gone.</exception>
    public int? ReadQueueCount()
    {
        if (!Uses(ProtocolFeature.MultipleQueues))
        {
            return null;
        }

        ulong count = Ask(FrontEndRequest.GetQueueCount);
        // The number of a ring has eight bits in the messages that bring descriptors.
        return count is >= 1 and <= 256
            ? (int)count
            : throw Lost($"it says that it has {count} queues, where 1 to 256 were expected");
    }

    /// <summary>Reads the beginning of the configuration space.</summary>
    /// <param name="destination">Filled; at most 256 bytes, and at most as many as the device type has.</param>
    /// <exception cref="DeviceException">The back-end has no configuration space, not that much of it, or has gone.</exception>
    public void ReadConfig(Span<byte> destination)
    {
        Require(ProtocolFeature.Config, "a configuration space");
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, ConfigHeader.LengthMax);
        int headerBytes = Wire.SizeOf<ConfigHeader>();
        Span<byte> request = stackalloc byte[headerBytes + destination.Length];
        request.Clear();
        // From byte 0 on always: several back-ends ignore the offset.
        Wire.Write(request, new ConfigHeader { LengthBytes = (uint)destination.Length });
        SendOnly(FrontEndRequest.GetConfig, request, [], needsReply: false);
        Message answer = Receive(FrontEndRequest.GetConfig, descriptorsMax: 0);
        if (answer.Payload.Length == 0 || (answer.Payload.Length == headerBytes && destination.Length > 0))
        {
            throw new DeviceException($"the back-end has no configuration space of {destination.Length} bytes");
        }

        if (
            answer.Payload.Length != request.Length
            || Wire.Read<ConfigHeader>(answer.Payload).LengthBytes != destination.Length
        )
        {
            throw Lost($"{request.Length} bytes of configuration were asked for and {answer.Payload.Length} came");
        }

        answer.Payload[headerBytes..].CopyTo(destination);
    }

    /// <summary>Writes to the configuration space, on the driver's behalf.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes; offset and length come to at most 256.</param>
    /// <exception cref="DeviceException">The back-end refuses, has no configuration space, or has gone.</exception>
    public void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        Require(ProtocolFeature.Config, "a configuration space");
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ConfigHeader.LengthMax - source.Length);
        int headerBytes = Wire.SizeOf<ConfigHeader>();
        Span<byte> request = stackalloc byte[headerBytes + source.Length];
        Wire.Write(request, new ConfigHeader { Offset = (uint)offset, LengthBytes = (uint)source.Length });
        source.CopyTo(request[headerBytes..]);
        Send(FrontEndRequest.SetConfig, request, []);
    }

    /// <summary>Resets the device, where the back-end can do that by message.</summary>
    /// <returns>False when it cannot; nothing was sent then.</returns>
    /// <exception cref="DeviceException">The back-end refuses, or has gone.</exception>
    public bool TryResetDevice()
    {
        if (!Uses(ProtocolFeature.ResetDevice))
        {
            return false;
        }

        Send(FrontEndRequest.ResetDevice, [], []);
        return true;
    }

    /// <summary>Tells the back-end the device status, where it wants to know.</summary>
    /// <param name="status">The status.</param>
    /// <exception cref="DeviceException">The back-end refuses, or has gone.</exception>
    public void WriteStatus(DeviceStatus status)
    {
        if (Uses(ProtocolFeature.Status))
        {
            Send(FrontEndRequest.SetStatus, (ulong)status);
        }
    }

    /// <summary>Asks for the device status.</summary>
    /// <returns>The status; null when the back-end does not keep it.</returns>
    /// <exception cref="DeviceException">The back-end says nonsense, or has gone.</exception>
    public DeviceStatus? ReadStatus()
    {
        if (!Uses(ProtocolFeature.Status))
        {
            return null;
        }

        ulong status = Ask(FrontEndRequest.GetStatus);
        return status <= byte.MaxValue ? (DeviceStatus)status : throw Lost($"it says that its status is {status:x}");
    }

    /// <summary>Closes the connection; a back-end then stops all rings.</summary>
    public void Dispose()
    {
        IsConnected = false;
        DisposeRequests();
        _socket.Dispose();
    }

    /// <summary>Negotiates what is between the two sides of the socket.</summary>
    private void Greet()
    {
        SendOnly(FrontEndRequest.SetOwner, [], [], needsReply: false);
        FeatureSet features = new(Ask(FrontEndRequest.GetFeatures));
        HasProtocolFeatures = features.Contains(TransportFeature.ProtocolFeatures);
        OfferedFeatures = features.Without(FeatureSet.Of(TransportFeature.ProtocolFeatures, TransportFeature.LogAll));
        if (!HasProtocolFeatures)
        {
            return;
        }

        OfferedProtocolFeatures = new(Ask(FrontEndRequest.GetProtocolFeatures));
        ProtocolFeatures = OfferedProtocolFeatures & _options.ProtocolFeatures;
        if (!_options.TakesRequests || !Uses(ProtocolFeature.ReplyAck))
        {
            ProtocolFeatures = ProtocolFeatures.Without(ProtocolFeature.BackEndRequests);
        }

        SendOnly(FrontEndRequest.SetProtocolFeatures, ProtocolFeatures.Low, needsReply: false);
        _isAcknowledged = Uses(ProtocolFeature.ReplyAck);
        OpenRequests();
    }

    private void Require(int protocolFeature, string thing)
    {
        if (!Uses(protocolFeature))
        {
            throw new DeviceException(
                $"the back-end has no {thing}: protocol feature {protocolFeature} is not on offer"
            );
        }
    }

    /// <summary>Sends a request whose answer is a number.</summary>
    private ulong Ask(FrontEndRequest request)
    {
        SendOnly(request, [], [], needsReply: false);
        return ReadNumber(Receive(request, descriptorsMax: 0));
    }

    private ulong ReadNumber(Message answer)
    {
        if (!Wire.TryRead(answer.Payload, out ulong number) || answer.Payload.Length != sizeof(ulong))
        {
            throw Lost(
                $"the answer to message {(uint)answer.Request} has {answer.Payload.Length} bytes, where 8 were expected"
            );
        }

        return number;
    }

    private void Send(FrontEndRequest request, ulong number) => Send(request, Wire.Bytes(ref number), []);

    /// <summary>Sends a request that has no answer of its own, and waits for the acknowledgement if there are such.</summary>
    private void Send(FrontEndRequest request, ReadOnlySpan<byte> payload, ReadOnlySpan<SafeHandle> descriptors)
    {
        SendOnly(request, payload, descriptors, _isAcknowledged);
        if (!_isAcknowledged)
        {
            return;
        }

        ulong result = ReadNumber(Receive(request, descriptorsMax: 0));
        if (result != 0)
        {
            throw new DeviceException($"the back-end refused message {(uint)request} ({request}) with {result}");
        }
    }

    private void SendOnly(FrontEndRequest request, ulong number, bool needsReply) =>
        SendOnly(request, Wire.Bytes(ref number), [], needsReply);

    private void SendOnly(
        FrontEndRequest request,
        ReadOnlySpan<byte> payload,
        ReadOnlySpan<SafeHandle> descriptors,
        bool needsReply
    )
    {
        ThrowIfLost();
        MessageHeader header = new()
        {
            Request = (uint)request,
            Flags = MessageFlags.Version | (needsReply ? MessageFlags.NeedReply : MessageFlags.None),
        };
        try
        {
            if (!_socket.Send(header, payload, descriptors))
            {
                throw Lost("it has closed the connection");
            }
        }
        catch (ProtocolException exception)
        {
            throw Lost(exception.Message, exception);
        }
    }

    /// <summary>Waits for the answer to a request, and does what the back-end asks for meanwhile.</summary>
    /// <param name="request">What it must answer.</param>
    /// <param name="descriptorsMax">How many descriptors may come with it.</param>
    /// <returns>The answer, valid until the next; its descriptors, if not taken, are closed then.</returns>
    private Message Receive(FrontEndRequest request, int descriptorsMax)
    {
        Message answer = _socket.Message;
        answer.CloseDescriptors();
        long start = Stopwatch.GetTimestamp();
        try
        {
            while (!TryReceive())
            {
                Wait(_options.ReplyTimeout - Stopwatch.GetElapsedTime(start), request);
            }
        }
        catch (ProtocolException exception)
        {
            throw Lost(exception.Message, exception);
        }

        if (answer.Request != request)
        {
            throw Lost($"it answered message {(uint)request} with message {(uint)answer.Request}");
        }

        if (answer.DescriptorCount > descriptorsMax)
        {
            throw Lost($"{answer.DescriptorCount} descriptors came with the answer to message {(uint)request}");
        }

        return answer;
    }

    private bool TryReceive()
    {
        ReceiveOutcome outcome = _socket.TryReceive();
        return outcome switch
        {
            ReceiveOutcome.Received => true,
            ReceiveOutcome.WouldBlock => false,
            _ => throw Lost("it has closed the connection"),
        };
    }

    private void Wait(TimeSpan left, FrontEndRequest request)
    {
        bool isTime = left > TimeSpan.Zero;
        if (!isTime || !DescriptorWait.TryWaitAny(_socket.Handle, RequestHandle, LoopEvents.Readable, left))
        {
            throw Lost(
                $"it did not answer message {(uint)request} within {_options.ReplyTimeout.TotalSeconds:0.###} s"
            );
        }

        // A back-end may wait for us before it answers.
        HandleRequests();
    }

    private void ThrowIfLost()
    {
        if (!IsConnected)
        {
            throw new DeviceException("the back-end has gone");
        }
    }

    /// <summary>Ends the connection.</summary>
    /// <returns>What to throw.</returns>
    private DeviceException Lost(string reason, Exception? cause = null)
    {
        Dispose();
        string message = $"the connection to the back-end was ended: {reason}";
        return cause is null ? new(message) : new(message, cause);
    }
}
