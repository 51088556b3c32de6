using Microsoft.Extensions.Logging;
using Vireo.Homes.Peers;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VfioUser;

/// <summary>One connection: first a stranger, then, from its first whole message on, the client.</summary>
/// <remarks>
/// Whoever only connects, or stops half way through the first message, gets no hold on the device: another that speaks takes it.
/// </remarks>
internal sealed class ClientConnection : IDisposable, ILoopWatcher
{
    /// <summary>Messages handled before other work of the control loop has its turn.</summary>
    private const int MessagesPerTurnMax = 64;

    private readonly VfioUserHome _home;
    private readonly MessageSocket _socket;
    private readonly LoopWatch _watch;
    private readonly EventLoop _control;
    private readonly ILogger _log;

    /// <summary>Whether the connection has ended.</summary>
    private bool _hasEnded;

    /// <summary>Set when this is the client.</summary>
    private VfioUserSession? _session;

    /// <summary>Takes over a connected socket.</summary>
    /// <param name="home">The home, told of the first message and of the end.</param>
    /// <param name="channel">The socket; becomes this object's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="log">Where it is said what the client does.</param>
    public ClientConnection(VfioUserHome home, UnixChannel channel, EventLoop control, ILogger log)
    {
        _home = home;
        _control = control;
        _log = log;
        _socket = new(channel);
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

    /// <summary>Whether the peer has closed its end, noticed or not.</summary>
    public bool HasPeerGone => _socket.HasPeerGone;

    /// <summary>Who is at the other end, for the log.</summary>
    public string PeerName => _socket.PeerName;

    /// <summary>Makes this the client.</summary>
    /// <param name="served">The function.</param>
    public void BeginSession(ServedFunction served)
    {
        _log.Connected(PeerName);
        _session = new(served, _socket, _control, BreakLater, _log);
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        try
        {
            if (!Receive())
            {
                _home.End(this);
            }
        }
        catch (ProtocolException exception)
        {
            _log.Broken(exception.Message);
            _home.End(this);
        }
    }

    /// <summary>Ends the connection; when it is the client, its session first.</summary>
    public void Dispose()
    {
        _hasEnded = true;
        _session?.Dispose();
        _session = null;
        _watch.Dispose();
        _socket.Dispose();
    }

    /// <summary>Ends the connection, but not under the feet of whoever found out that it must end.</summary>
    private void BreakLater(string reason) =>
        _control.Post(() =>
        {
            if (!_hasEnded)
            {
                _log.Broken(reason);
                _home.End(this);
            }
        });

    /// <summary>Receives and handles messages.</summary>
    /// <returns>False when the connection has come to its end.</returns>
    private bool Receive()
    {
        for (int count = 0; count < MessagesPerTurnMax; count++)
        {
            ReceiveOutcome outcome = _socket.TryReceive();
            if (outcome != ReceiveOutcome.Received)
            {
                return outcome == ReceiveOutcome.WouldBlock || Farewell();
            }

            if (_session is null && !_home.TryBegin(this))
            {
                return false;
            }

            _session!.Handle();
        }

        return true;
    }

    private bool Farewell()
    {
        if (_socket.IsInMessage)
        {
            _log.Truncated();
        }
        else if (_session is not null)
        {
            _log.Disconnected();
        }

        return false;
    }
}
