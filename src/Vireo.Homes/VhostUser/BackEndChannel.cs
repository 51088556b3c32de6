using Microsoft.Extensions.Logging;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>The socket for requests of our own to the front-end.</summary>
/// <remarks>
/// Never waits: a front-end may be waiting for us in the meantime. When it closes this socket, or breaks the protocol on it,
/// requests are dropped from then on; the device goes on without.
/// </remarks>
internal sealed class BackEndChannel : IDisposable, ILoopWatcher
{
    private readonly MessageSocket _socket;
    private readonly LoopWatch _watch;
    private readonly ILogger _log;
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

    /// <summary>Sends a request that wants no answer.</summary>
    /// <param name="request">Which.</param>
    /// <param name="payload">Its payload.</param>
    public void Send(BackEndRequest request, ReadOnlySpan<byte> payload)
    {
        if (_isClosed)
        {
            return;
        }

        MessageHeader header = new() { Request = (uint)request, Flags = MessageFlags.Version };
        try
        {
            if (!_socket.Send(header, payload))
            {
                Close();
            }
        }
        catch (ProtocolException exception)
        {
            Fail(exception);
        }
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => Close();

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        try
        {
            ReceiveOutcome outcome = _socket.TryReceive();
            if (outcome == ReceiveOutcome.Received)
            {
                throw new ProtocolException($"message {(uint)_socket.Message.Request} answers no request");
            }

            if (outcome == ReceiveOutcome.Closed)
            {
                Close();
            }
        }
        catch (ProtocolException exception)
        {
            Fail(exception);
        }
    }

    private void Fail(ProtocolException exception)
    {
        _log.BackEndChannelFailed(exception.Message);
        Close();
    }

    private void Close()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            _watch.Dispose();
            _socket.Dispose();
        }
    }
}
