using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Cli.Homes;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Record;

/// <summary>Plays the front-end's part of a recording to a back-end, and compares what it answers.</summary>
/// <remarks>
/// Descriptors are replaced by fresh ones of the same kind and size. So the guest's memory is all zeroes, its rings stand still,
/// and the data of requests does not come back: what is played is the protocol.
/// </remarks>
internal sealed class Replayer : IDisposable
{
    private const uint SetBackEndSocket = 21;
    private const uint GetRingBase = 11;
    private const uint GetRingBaseSkipDrain = 45;
    private const int RingNumberBytes = 4;
    private const uint NeedReplyFlag = 1u << 3;
    private const uint ReplyFlag = 1u << 2;
    private const uint VersionFlag = 1;

    private static readonly TimeSpan ReplyTimeout = TimeSpan.FromSeconds(10);

    private readonly UnixChannel _channel;
    private readonly MessageReader _answers;
    private readonly List<IDisposable> _resources = [];
    private readonly List<string> _differences = [];

    /// <summary>Our end of the socket for the back-end's requests; null when the recording does not give it one.</summary>
    private UnixChannel? _requests;

    private MessageReader? _requestReader;

    private Replayer(UnixChannel channel)
    {
        _channel = channel;
        _answers = new MessageReader(channel);
    }

    /// <summary>Plays one session.</summary>
    /// <param name="messages">The session's messages.</param>
    /// <param name="path">Where the back-end listens.</param>
    /// <exception cref="CommandException">Nobody listens there.</exception>
    public static ReplayOutcome Play(IReadOnlyList<RecordedMessage> messages, string path)
    {
        using var replayer = new Replayer(BackEndSocket.Connect(path));
        return replayer.Play(messages);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _answers.Dispose();
        _requestReader?.Dispose();
        _channel.Dispose();
        _resources.ForEach(resource => resource.Dispose());
    }

    private ReplayOutcome Play(IReadOnlyList<RecordedMessage> messages)
    {
        int sent = 0;
        for (int index = 0; index < messages.Count; index++)
        {
            RecordedMessage message = messages[index];
            if (message.Direction != MessageDirection.FrontEnd)
            {
                continue;
            }

            string what = $"message {index + 1}, {message.Name}";
            if (!Send(message))
            {
                return new(sent, _differences, $"{what}: the back-end has closed the connection");
            }

            sent++;
            if (AnswerTo(messages, index) is { } recorded)
            {
                using WireMessage? answer = Receive(out bool isOpen);
                if (answer is null)
                {
                    string why = isOpen
                        ? $"no answer within {ReplyTimeout.TotalSeconds} s"
                        : "the connection ended without an answer";
                    return new(sent, _differences, $"{what}: {why}");
                }

                Compare(what, recorded, answer);
            }
        }

        return new(sent, _differences, Failure: null);
    }

    /// <summary>The answer that the recording has for a message; null when there was none.</summary>
    private static RecordedMessage? AnswerTo(IReadOnlyList<RecordedMessage> messages, int index)
    {
        for (int next = index + 1; next < messages.Count; next++)
        {
            switch (messages[next].Direction)
            {
                case MessageDirection.BackEnd when messages[next].Request == messages[index].Request:
                    return messages[next];
                case MessageDirection.FrontEnd:
                    return null;
                default:
                    break;
            }
        }

        return null;
    }

    private bool Send(RecordedMessage message)
    {
        List<SafeFileHandle> descriptors = [];
        foreach (RecordedDescriptor recorded in message.Descriptors)
        {
            descriptors.Add(Replace(recorded, message.Request));
        }

        // The descriptors stay with us until the end of the session.
        var wire = WireMessage.Create(message.Request, message.Flags, message.Payload, []);
        SafeHandle[] handles = [.. descriptors];
        return _channel.Send(wire.Bytes, handles) == SendOutcome.Sent;
    }

    private SafeFileHandle Replace(RecordedDescriptor recorded, uint request)
    {
        switch (recorded.Kind)
        {
            case DescriptorKind.RegularFile:
                return Own(MemoryFile.Create("vireo-replay", recorded.Bytes)).Handle;
            case DescriptorKind.Socket:
                (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
                Own(ours);
                if (request == SetBackEndSocket)
                {
                    _requestReader?.Dispose();
                    _requests = ours;
                    _requestReader = new MessageReader(ours);
                }

                return Own(theirs).Handle;
            default:
                return Own(EventFd.Create()).Handle;
        }
    }

    private T Own<T>(T resource)
        where T : IDisposable
    {
        _resources.Add(resource);
        return resource;
    }

    /// <summary>Waits for an answer, and says yes to whatever the back-end asks meanwhile.</summary>
    private WireMessage? Receive(out bool isOpen)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            isOpen = _answers.TryRead(out WireMessage? answer);
            if (!isOpen || answer is not null)
            {
                return answer;
            }

            TimeSpan left = ReplyTimeout - Stopwatch.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            DescriptorWait.TryWaitAny(_channel.Handle, _requests?.Handle, LoopEvents.Readable, left);
            AnswerRequests();
        }
    }

    private void AnswerRequests()
    {
        while (_requestReader is not null)
        {
            if (!_requestReader.TryRead(out WireMessage? request))
            {
                _requestReader.Dispose();
                _requestReader = null;
                _requests = null;
                return;
            }

            using (request)
            {
                if (request is null)
                {
                    return;
                }

                if ((request.Flags & NeedReplyFlag) != 0)
                {
                    byte[] success = new byte[sizeof(ulong)];
                    var reply = WireMessage.Create(request.Request, VersionFlag | ReplyFlag, success, []);
                    _requests!.Send(reply.Bytes);
                }
            }
        }
    }

    /// <summary>Whether two answers say the same, but for where a ring stopped: no ring runs in a replay.</summary>
    private static bool IsSame(WireMessage answer, RecordedMessage recorded)
    {
        bool isRingState = recorded.Request is GetRingBase or GetRingBaseSkipDrain;
        bool isComparable = answer.Payload.Length == recorded.Payload.Length;
        int length =
            isRingState && isComparable ? Math.Min(RingNumberBytes, answer.Payload.Length) : answer.Payload.Length;
        return isComparable && answer.Payload[..length].SequenceEqual(recorded.Payload.AsSpan(0, length));
    }

    private void Compare(string what, RecordedMessage recorded, WireMessage answer)
    {
        if (answer.Request != recorded.Request)
        {
            _differences.Add($"{what}: answered with message {answer.Request}");
        }
        else if (answer.Flags != recorded.Flags)
        {
            _differences.Add($"{what}: flags 0x{answer.Flags:x}, recorded 0x{recorded.Flags:x}");
        }
        else if (!IsSame(answer, recorded))
        {
            string now = Convert.ToHexStringLower(answer.Payload);
            _differences.Add($"{what}: answered {now}, recorded {Convert.ToHexStringLower(recorded.Payload)}");
        }
        else if (answer.Descriptors.Count != recorded.Descriptors.Count)
        {
            _differences.Add($"{what}: {answer.Descriptors.Count} descriptors, recorded {recorded.Descriptors.Count}");
        }
    }
}
