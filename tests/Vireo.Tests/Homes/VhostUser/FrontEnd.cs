using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The smallest front-end there is: sends what the test says, right or wrong, and reads answers.</summary>
internal sealed class FrontEnd : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private const uint Version = 1;
    private const uint Reply = 4;
    private const uint NeedReply = 8;
    private const int HeaderBytes = 12;
    private const ulong SkipDrainNeeds =
        1ul << ProtocolFeature.InflightDescriptor | 1ul << ProtocolFeature.GetRingBaseInflight;
    private const ulong Special = 1ul << ProtocolFeature.GuestAddresses | 1ul << ProtocolFeature.InBandNotifications;

    private readonly UnixChannel _channel;

    public FrontEnd(UnixChannel channel) => _channel = channel;

    /// <summary>The virtio features on offer, once negotiated.</summary>
    public ulong OfferedFeatures { get; private set; }

    /// <summary>The protocol features in use, once negotiated.</summary>
    public ulong ProtocolFeatures { get; private set; }

    /// <summary>The descriptors of the last answer; the test's to close.</summary>
    public List<SafeFileHandle> AnswerDescriptors { get; } = [];

    public static FrontEnd Connect(string path) => new(UnixChannel.Connect(path));

    /// <summary>Negotiates all that is on offer, but for some protocol features, and what has to be asked for.</summary>
    /// <param name="without">Protocol features to leave out.</param>
    /// <param name="with">Protocol features that change what other messages mean, and that this test wants.</param>
    public void Negotiate(ulong without = 0, ulong with = 0)
    {
        without |= Special & ~with;
        // Bit 23 cannot be had without those that it builds on.
        without |= (without & SkipDrainNeeds) != 0 ? 1ul << ProtocolFeature.GetRingBaseSkipDrain : 0;
        Send(FrontEndRequest.SetOwner);
        OfferedFeatures = Ask(FrontEndRequest.GetFeatures);
        ProtocolFeatures = Ask(FrontEndRequest.GetProtocolFeatures) & ~without;
        Send(FrontEndRequest.SetProtocolFeatures, ProtocolFeatures);
    }

    /// <summary>Negotiates, unless the home turns this connection away.</summary>
    public bool TryNegotiate()
    {
        Send(FrontEndRequest.GetFeatures);
        byte[] answer = new byte[HeaderBytes + sizeof(ulong)];
        return Wait(answer, out _) == ReceiveOutcome.Received;
    }

    /// <summary>Accepts virtio features: those given, and bit 30.</summary>
    public void Accept(params ReadOnlySpan<int> features)
    {
        ulong bits = 1ul << 30 | 1ul << CoreFeature.Version1;
        foreach (int feature in features)
        {
            bits |= 1ul << feature;
        }

        Send(FrontEndRequest.SetFeatures, bits);
    }

    public void Send(FrontEndRequest request) => SendBytes(request, []);

    public void Send<T>(FrontEndRequest request, T payload, params ReadOnlySpan<SafeFileHandle> descriptors)
        where T : unmanaged => SendBytes(request, Wire.Bytes(ref payload), descriptors);

    /// <summary>Sends a message with any payload.</summary>
    public void SendBytes(
        FrontEndRequest request,
        ReadOnlySpan<byte> payload,
        params ReadOnlySpan<SafeFileHandle> descriptors
    ) => SendRaw((uint)request, Version, (uint)payload.Length, payload, descriptors);

    /// <summary>Sends a message and asks for an acknowledgement.</summary>
    /// <returns>The acknowledgement.</returns>
    public ulong SendAcknowledged(
        FrontEndRequest request,
        ReadOnlySpan<byte> payload,
        params ReadOnlySpan<SafeFileHandle> descriptors
    )
    {
        SendRaw((uint)request, Version | NeedReply, (uint)payload.Length, payload, descriptors);
        return Wire.Read<ulong>(Receive(request));
    }

    /// <inheritdoc cref="SendAcknowledged(FrontEndRequest, ReadOnlySpan{byte}, ReadOnlySpan{SafeFileHandle})"/>
    public ulong SendAcknowledged<T>(
        FrontEndRequest request,
        T payload,
        params ReadOnlySpan<SafeFileHandle> descriptors
    )
        where T : unmanaged => SendAcknowledged(request, Wire.Bytes(ref payload), descriptors);

    /// <summary>Sends a header and a payload that need not fit each other.</summary>
    public void SendRaw(
        uint request,
        uint flags,
        uint payloadBytes,
        ReadOnlySpan<byte> payload,
        params ReadOnlySpan<SafeFileHandle> descriptors
    )
    {
        MessageHeader header = new()
        {
            Request = request,
            Flags = (MessageFlags)flags,
            PayloadBytes = payloadBytes,
        };
        byte[] bytes = [.. Wire.Bytes(ref header), .. payload];
        SendStream(bytes, descriptors);
    }

    /// <summary>Sends bytes that need not be whole messages. A home that has closed the connection already is no error.</summary>
    public void SendStream(ReadOnlySpan<byte> bytes, params ReadOnlySpan<SafeFileHandle> descriptors) =>
        _channel.Send(bytes, [.. descriptors]);

    /// <summary>Gives the home a socket for its own requests.</summary>
    /// <returns>The other end of it.</returns>
    public FrontEnd GiveBackEndSocket()
    {
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
        SendBytes(FrontEndRequest.SetBackEndSocket, [], theirs.Handle);
        Settle();
        theirs.Dispose();
        return new(ours);
    }

    /// <summary>Asks a question whose answer is a number.</summary>
    public ulong Ask(FrontEndRequest request)
    {
        Send(request);
        return Wire.Read<ulong>(Receive(request));
    }

    /// <summary>Asks a question that looks like its answer.</summary>
    public T Ask<T>(FrontEndRequest request, T payload)
        where T : unmanaged
    {
        Send(request, payload);
        return Wire.Read<T>(Receive(request));
    }

    /// <summary>Waits until everything sent so far has been handled.</summary>
    public void Settle() => Ask(FrontEndRequest.GetFeatures);

    /// <summary>Receives an answer.</summary>
    /// <returns>Its payload.</returns>
    public byte[] Receive(FrontEndRequest request)
    {
        AnswerDescriptors.Clear();
        byte[] header = new byte[HeaderBytes];
        ReceiveExactly(header);
        MessageHeader read = Wire.Read<MessageHeader>(header);
        Assert.Equal((uint)request, read.Request);
        Assert.Equal(Version | Reply, (uint)read.Flags);
        byte[] payload = new byte[read.PayloadBytes];
        ReceiveExactly(payload);
        return payload;
    }

    /// <summary>Whether something is there to be received; only for connections of which nothing more is wanted then.</summary>
    public bool HasMessage => _channel.TryReceive(new byte[1], out _) == ReceiveOutcome.Received;

    /// <summary>Receives a request of the home, on the socket for those.</summary>
    public (BackEndRequest Request, byte[] Payload) ReceiveRequest()
    {
        AnswerDescriptors.Clear();
        byte[] header = new byte[HeaderBytes];
        ReceiveExactly(header);
        MessageHeader read = Wire.Read<MessageHeader>(header);
        byte[] payload = new byte[read.PayloadBytes];
        ReceiveExactly(payload);
        return ((BackEndRequest)read.Request, payload);
    }

    /// <summary>Waits for the home to close the connection, and expects no answer before that.</summary>
    public void ExpectClosed()
    {
        byte[] one = new byte[1];
        Assert.Equal(ReceiveOutcome.Closed, Wait(one, out _));
    }

    public void Dispose()
    {
        AnswerDescriptors.ForEach(static descriptor => descriptor.Dispose());
        _channel.Dispose();
    }

    private void ReceiveExactly(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            Assert.Equal(ReceiveOutcome.Received, Wait(destination, out int count));
            destination = destination[count..];
        }
    }

    private ReceiveOutcome Wait(Span<byte> destination, out int byteCount)
    {
        long begin = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        while (true)
        {
            var room = new SafeFileHandle?[8];
            ReceiveOutcome outcome = _channel.TryReceive(destination, room, out byteCount, out int descriptorCount);
            for (int index = 0; index < descriptorCount; index++)
            {
                AnswerDescriptors.Add(room[index]!);
            }

            if (outcome != ReceiveOutcome.WouldBlock)
            {
                return outcome;
            }

            Assert.True(Stopwatch.GetElapsedTime(begin) < Patience, "the home does not answer");
            spin.SpinOnce();
        }
    }
}
