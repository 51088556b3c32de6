using Microsoft.Extensions.Logging;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>One connection: first a stranger, then, from its first whole message on, the front-end.</summary>
/// <remarks>
/// Whoever only connects, or stops half way through the first message, gets no hold on the device: another that speaks takes it.
/// </remarks>
internal sealed class Connection : IDisposable, ILoopWatcher
{
    /// <summary>Messages handled before other work of the control loop has its turn.</summary>
    private const int MessagesPerTurnMax = 64;

    private readonly VhostUserHome _home;
    private readonly MessageSocket _socket;
    private readonly LoopWatch _watch;
    private readonly ILogger _log;

    /// <summary>Set when this is the front-end.</summary>
    private VhostUserSession? _session;

    /// <summary>Set when this is the front-end.</summary>
    private CutAlarm? _cut;

    /// <summary>Takes over a connected socket.</summary>
    /// <param name="home">The home, told of the first message and of the end.</param>
    /// <param name="channel">The socket; becomes this object's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="log">Where it is said what the peer does.</param>
    public Connection(VhostUserHome home, UnixChannel channel, EventLoop control, ILogger log)
    {
        _home = home;
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

    /// <summary>Whether this is the front-end.</summary>
    public bool IsFrontEnd => _session is not null;

    /// <summary>Whether the peer has closed its end, noticed or not.</summary>
    public bool HasPeerGone => _socket.HasPeerGone;

    /// <summary>Who is at the other end, for the log.</summary>
    public string PeerName => _socket.PeerName;

    /// <summary>Makes this the front-end.</summary>
    /// <param name="host">What the device knows of the home.</param>
    public void BeginSession(DeviceHost host)
    {
        _log.Connected(PeerName);
        _cut = new(host.Control, OnCut);
        _session = new(_home.Device, host, _socket, _home.ProtocolFeatures, _cut, _log);
        host.Session = _session;
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
        catch (Exception exception) when (exception is ProtocolException or RefusalException)
        {
            _log.Broken(exception.Message);
            _home.End(this);
        }
    }

    /// <summary>Ends the connection; when it is the front-end, its session first.</summary>
    public void Dispose()
    {
        _session?.Dispose();
        _session = null;
        _cut?.Dispose();
        _watch.Dispose();
        _socket.Dispose();
    }

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

            _session!.Dispatch();
        }

        return true;
    }

    private void OnCut()
    {
        _log.Broken("memory that the front-end shares was made shorter under the device");
        _home.End(this);
    }

    private bool Farewell()
    {
        if (_socket.IsInMessage)
        {
            _log.Truncated();
        }
        else if (IsFrontEnd)
        {
            _log.Disconnected();
        }

        return false;
    }
}
