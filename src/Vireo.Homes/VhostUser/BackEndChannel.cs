using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>The socket for requests of our own to the front-end.</summary>
/// <remarks>
/// Never waits: a front-end may be waiting for us in the meantime, and answers when it has done so. When it closes this socket, or
/// breaks the protocol on it, requests fail from then on; the device goes on without.
/// </remarks>
internal sealed class BackEndChannel : IDisposable, ILoopWatcher
{
    private readonly MessageSocket _socket;
    private readonly LoopWatch _watch;
    private readonly ILogger _log;

    /// <summary>Requests that wait for an answer, in the order in which answers come.</summary>
    private readonly Queue<PendingRequest> _pending = new();

    private bool _isClosed;

    /// <summary>Takes over the socket.</summary>
    /// <param name="channel">The socket; becomes this object's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="log">Where it is said what the peer does.</param>
    public BackEndChannel(UnixChannel channel, EventLoop control, ILogger log)
    {
        _log = log;
        _socket = new(channel, MessageFlags.Reply);
        try
        {
            _watch = control.Watch(_socket.Handle, LoopEvents.Readable, this);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a request.</summary>
    /// <param name="request">Which.</param>
    /// <param name="payload">Its payload.</param>
    /// <param name="descriptor">A descriptor to go with it, or null; stays the caller's.</param>
    /// <param name="done">
    /// Given the answer; null to ask for none. Without a connection, and when it ends, the answer is a failure.
    /// </param>
    public void Send(
        BackEndRequest request,
        ReadOnlySpan<byte> payload,
        SafeHandle? descriptor = null,
        Action<BackEndAnswer>? done = null
    )
    {
        if (!TrySend(request, payload, descriptor, done is not null))
        {
            done?.Invoke(BackEndAnswer.Failure);
        }
        else if (done is not null)
        {
            _pending.Enqueue(new(request, done));
        }
    }

    /// <summary>Closes the socket; requests that wait for an answer have failed.</summary>
    public void Dispose() => Close();

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        try
        {
            ReceiveOutcome outcome = _socket.TryReceive();
            if (outcome == ReceiveOutcome.Received)
            {
                Answer(_socket.Message);
            }
            else if (outcome == ReceiveOutcome.Closed)
            {
                Close();
            }
        }
        catch (ProtocolException exception)
        {
            Fail(exception);
        }
    }

    private bool TrySend(BackEndRequest request, ReadOnlySpan<byte> payload, SafeHandle? descriptor, bool wantsAnswer)
    {
        if (_isClosed)
        {
            return false;
        }

        MessageFlags flags = MessageFlags.Version | (wantsAnswer ? MessageFlags.NeedReply : MessageFlags.None);
        try
        {
            if (_socket.Send(new() { Request = (uint)request, Flags = flags }, payload, descriptor))
            {
                return true;
            }

            Close();
        }
        catch (ProtocolException exception)
        {
            Fail(exception);
        }

        return false;
    }

    private void Answer(Message message)
    {
        try
        {
            bool isExpected =
                _pending.TryPeek(out PendingRequest pending)
                && (uint)pending.Request == (uint)message.Request
                && message.Payload.Length == sizeof(ulong)
                && message.DescriptorCount <= 1;
            if (!isExpected)
            {
                throw new ProtocolException(
                    $"message {(uint)message.Request} with {message.Payload.Length} bytes answers no request"
                );
            }

            _pending.Dequeue();
            pending.Done(
                new(message.Read<ulong>() == 0, message.DescriptorCount == 1 ? message.TakeDescriptor(0) : null)
            );
        }
        finally
        {
            message.CloseDescriptors();
        }
    }

    private void Fail(ProtocolException exception)
    {
        _log.BackEndChannelFailed(exception.Message);
        Close();
    }

    private void Close()
    {
        if (_isClosed)
        {
            return;
        }

        _isClosed = true;
        _watch.Dispose();
        _socket.Dispose();
        while (_pending.TryDequeue(out PendingRequest pending))
        {
            pending.Done(BackEndAnswer.Failure);
        }
    }

    /// <summary>A request that waits for its answer.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct PendingRequest(BackEndRequest Request, Action<BackEndAnswer> Done);
}
