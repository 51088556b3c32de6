using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Record;

/// <summary>One front-end connected with one back-end, everything between them recorded.</summary>
/// <remarks>Used on the loop's thread.</remarks>
internal sealed class RecordingSession : IDisposable
{
    private const uint SetBackEndSocket = 21;

    private readonly int _number;
    private readonly EventLoop _loop;
    private readonly RecordingWriter _recording;
    private readonly long _start;
    private readonly Action _ended;
    private readonly List<RelayLane> _lanes = [];
    private readonly List<UnixChannel> _channels = [];

    /// <summary>Begins to pass on and record.</summary>
    /// <param name="number">Which session of the recording.</param>
    /// <param name="loop">The loop.</param>
    /// <param name="frontEnd">The front-end; becomes this object's.</param>
    /// <param name="backEnd">The back-end; becomes this object's.</param>
    /// <param name="recording">Where messages are written; stays the caller's.</param>
    /// <param name="start">The timestamp that times count from.</param>
    /// <param name="ended">Told when one of the two has gone.</param>
    public RecordingSession(
        int number,
        EventLoop loop,
        UnixChannel frontEnd,
        UnixChannel backEnd,
        RecordingWriter recording,
        long start,
        Action ended
    )
    {
        _number = number;
        _loop = loop;
        _recording = recording;
        _start = start;
        _ended = ended;
        AddLanes(frontEnd, backEnd, MessageDirection.FrontEnd, MessageDirection.BackEnd);
    }

    /// <summary>How many messages went by.</summary>
    public int MessageCount { get; private set; }

    /// <summary>Closes both connections.</summary>
    public void Dispose()
    {
        _lanes.ForEach(lane => lane.Dispose());
        _channels.ForEach(channel => channel.Dispose());
    }

    private void AddLanes(UnixChannel asker, UnixChannel answerer, MessageDirection questions, MessageDirection answers)
    {
        _channels.Add(asker);
        _channels.Add(answerer);
        _lanes.Add(new RelayLane(_loop, asker, message => Pass(message, answerer, questions), _ended));
        _lanes.Add(new RelayLane(_loop, answerer, message => Pass(message, asker, answers), _ended));
    }

    private void Pass(WireMessage message, UnixChannel destination, MessageDirection direction)
    {
        Record(message, direction);
        if (
            direction == MessageDirection.FrontEnd
            && message.Request == SetBackEndSocket
            && message.Descriptors.Count == 1
        )
        {
            Interpose(message);
        }

        SendOutcome outcome;
        try
        {
            SafeHandle[] descriptors = [.. message.Descriptors];
            outcome = destination.Send(message.Bytes, descriptors);
        }
        catch (LinuxException)
        {
            outcome = SendOutcome.Closed;
        }

        if (outcome != SendOutcome.Sent)
        {
            _ended();
        }
    }

    /// <summary>Puts us between the two on the socket for the back-end's requests as well.</summary>
    private void Interpose(WireMessage message)
    {
        var frontEnd = UnixChannel.FromDescriptor(message.Descriptors[0]);
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
        message.Descriptors[0] = theirs.Handle;
        AddLanes(ours, frontEnd, MessageDirection.BackEndRequest, MessageDirection.FrontEndReply);
    }

    private void Record(WireMessage message, MessageDirection direction)
    {
        MessageCount++;
        List<RecordedDescriptor> descriptors = [];
        foreach (SafeFileHandle descriptor in message.Descriptors)
        {
            descriptors.Add(RecordedDescriptor.Of(descriptor));
        }

        _recording.Write(
            new RecordedMessage
            {
                Session = _number,
                Time = Stopwatch.GetElapsedTime(_start),
                Direction = direction,
                Request = message.Request,
                Flags = message.Flags,
                Payload = message.Payload.ToArray(),
                Descriptors = descriptors,
            }
        );
    }
}
