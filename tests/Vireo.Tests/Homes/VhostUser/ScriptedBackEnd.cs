using System.Collections.Concurrent;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A back-end that answers as the test says: well-behaved by default, hostile where it is told to be.</summary>
internal sealed class ScriptedBackEnd : IDisposable
{
    private readonly UnixChannel _channel;
    private readonly Thread _thread;
    private readonly ConcurrentQueue<FrontEndRequest> _requests = new();
    private readonly BlockingCollection<UnixChannel> _requestSocket = [];

    /// <summary>Serves the other end of the returned channel.</summary>
    /// <param name="answer">
    /// What to do with a request; returns whether it did it. What it leaves is answered as a back-end without any feature but the
    /// protocol's own does.
    /// </param>
    public ScriptedBackEnd(Func<ScriptedBackEnd, FrontEndRequest, bool> answer)
    {
        (_channel, Peer) = UnixChannel.CreatePair();
        _thread = new(() => Serve(answer)) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>The front-end's end.</summary>
    public UnixChannel Peer { get; }

    /// <summary>The requests that have come so far, in their order. A request without an answer may come later than one thinks.</summary>
    public FrontEndRequest[] Requests => [.. _requests];

    /// <summary>The statuses that were written, in their order; the last is what it answers when it is asked.</summary>
    public List<DeviceStatus> Statuses { get; } = [];

    /// <summary>The socket for requests of our own, once the front-end has given one; the test's to close.</summary>
    public FrontEnd TakeRequestSocket() => new(_requestSocket.Take(TestContext.Current.CancellationToken));

    public ulong ProtocolFeatures { get; init; } = FeatureSet.Of(0, 3, 9, 12, 13, 15, 16).Low;

    /// <summary>Sends an answer as a back-end should.</summary>
    public void Reply(FrontEndRequest request, ReadOnlySpan<byte> payload) =>
        Send((uint)request, MessageFlags.Version | MessageFlags.Reply, (uint)payload.Length, payload);

    public void Reply(FrontEndRequest request, ulong number) => Reply(request, Wire.Bytes(ref number));

    /// <summary>Sends anything.</summary>
    public void Send(uint request, MessageFlags flags, uint statedBytes, ReadOnlySpan<byte> payload)
    {
        byte[] bytes = new byte[12 + payload.Length];
        Wire.Write(
            bytes,
            new MessageHeader
            {
                Request = request,
                Flags = flags,
                PayloadBytes = statedBytes,
            }
        );
        payload.CopyTo(bytes.AsSpan(12));
        _channel.Send(bytes);
    }

    /// <summary>Sends an answer with a descriptor.</summary>
    public void Reply(
        FrontEndRequest request,
        ReadOnlySpan<byte> payload,
        System.Runtime.InteropServices.SafeHandle descriptor
    )
    {
        byte[] bytes = new byte[12 + payload.Length];
        Wire.Write(
            bytes,
            new MessageHeader
            {
                Request = (uint)request,
                Flags = MessageFlags.Version | MessageFlags.Reply,
                PayloadBytes = (uint)payload.Length,
            }
        );
        payload.CopyTo(bytes.AsSpan(12));
        _channel.Send(bytes, [descriptor]);
    }

    /// <summary>Hangs up.</summary>
    public void Close() => _channel.Shutdown();

    public void Dispose()
    {
        // The thread ends, and closes its own end, when the other is closed.
        Peer.Dispose();
        _thread.Join();
        _requestSocket.Dispose();
        _channel.Dispose();
    }

    private void Serve(Func<ScriptedBackEnd, FrontEndRequest, bool> answer)
    {
        using MessageSocket socket = new(_channel);
        while (true)
        {
            ReceiveOutcome outcome;
            while ((outcome = socket.TryReceive()) == ReceiveOutcome.WouldBlock)
            {
                DescriptorWait.TryWait(socket.Handle, LoopEvents.Readable, TimeSpan.FromSeconds(10));
            }

            if (outcome != ReceiveOutcome.Received)
            {
                return;
            }

            Message message = socket.Message;
            if (message.Request == FrontEndRequest.SetBackEndSocket)
            {
                _requestSocket.Add(UnixChannel.FromDescriptor(message.TakeDescriptor(0)));
            }

            message.CloseDescriptors();
            _requests.Enqueue(message.Request);
            if (message.Request == FrontEndRequest.SetStatus)
            {
                Statuses.Add((DeviceStatus)message.Read<ulong>());
            }

            if (!answer(this, message.Request))
            {
                AnswerByDefault(message);
            }
        }
    }

    private void AnswerByDefault(Message message)
    {
        switch (message.Request)
        {
            case FrontEndRequest.GetFeatures:
                Reply(message.Request, FeatureSet.Of(CoreFeature.Version1, 30).Low);
                break;
            case FrontEndRequest.GetProtocolFeatures:
                Reply(message.Request, ProtocolFeatures);
                break;
            case FrontEndRequest.GetQueueCount:
                Reply(message.Request, 1);
                break;
            case FrontEndRequest.GetConfig:
                Reply(message.Request, message.Payload);
                break;
            case FrontEndRequest.GetRingBase:
                Reply(message.Request, message.Payload);
                break;
            case FrontEndRequest.GetStatus:
                Reply(message.Request, (ulong)Statuses.LastOrDefault());
                break;
            default:
                if (message.NeedsReply)
                {
                    Reply(message.Request, 0);
                }

                break;
        }
    }
}
