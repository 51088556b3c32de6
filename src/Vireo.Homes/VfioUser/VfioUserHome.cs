using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vireo.Core.Contract;
using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VfioUser;

/// <summary>Offers a device as a complete PCI function over a UNIX socket: a server of the vfio-user protocol.</summary>
/// <remarks>
/// <para>
/// Serves one client after another for as long as it runs. The device keeps its state when a client goes; the next one finds it
/// as it was left, and resets it, as virtual machine monitors do when they start, or goes on with it. A second client at the same
/// time is turned away.
/// </para>
/// <para>
/// <see cref="Run"/> makes the calling thread the control thread; queues run on the loops of the group. All work of the protocol is
/// done on the control thread, which waits for nobody but the device.
/// </para>
/// </remarks>
public sealed class VfioUserHome : IDisposable
{
    /// <summary>Connections that have not yet said anything; one more, and the oldest is closed.</summary>
    private const int StrangersMax = 16;

    private readonly EventLoop _control = new();
    private readonly ServedFunction _served;
    private readonly ILogger _log;

    /// <summary>Connections that have not yet said anything, the oldest first.</summary>
    private readonly List<ClientConnection> _strangers = [];

    /// <summary>Where connections come from; null for a single one that was there from the beginning.</summary>
    private ConnectionSource? _source;

    /// <summary>The connection that has the device.</summary>
    private ClientConnection? _client;

    private VfioUserHome(VirtioDevice device, EventLoopGroup loops, string name, VfioUserOptions? options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(loops);
        options ??= new();
        ILogger logger = options.Logger ?? NullLogger.Instance;
        _log = new PeerLogger(logger, name, options.Time);
        var queueLoops = new QueueLoop[loops.Count];
        for (int index = 0; index < queueLoops.Length; index++)
        {
            queueLoops[index] = new(loops[index], logger);
        }

        _served = new(device, _control, queueLoops, options, _log);
    }

    /// <summary>Listens on a path, and serves whoever connects, one after another.</summary>
    /// <param name="path">The socket's path, exactly as given; a socket left behind by a process that is gone is replaced.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    /// <exception cref="LinuxException">The path cannot be listened on.</exception>
    public static VfioUserHome Listen(
        string path,
        VirtioDevice device,
        EventLoopGroup loops,
        VfioUserOptions? options = null
    )
    {
        UnixListenerOptions socket = new() { Mode = options?.SocketMode, GroupId = options?.SocketGroupId };
        return Serve(UnixListener.Listen(path, socket), device, loops, options);
    }

    /// <summary>Serves whoever connects to a socket that listens already, one after another.</summary>
    /// <param name="listener">The socket; becomes the home's.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    public static VfioUserHome Serve(
        UnixListener listener,
        VirtioDevice device,
        EventLoopGroup loops,
        VfioUserOptions? options = null
    )
    {
        ArgumentNullException.ThrowIfNull(listener);
        VfioUserHome home = new(device, loops, listener.Path ?? "inherited socket", options);
        home._source = new ListenerSource(listener, home.Admit, home._control, home._log);
        home._log.Listening();
        return home;
    }

    /// <summary>Serves one client that is connected already; when it goes, <see cref="Run"/> returns.</summary>
    /// <param name="channel">The connection; becomes the home's.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    public static VfioUserHome Serve(
        UnixChannel channel,
        VirtioDevice device,
        EventLoopGroup loops,
        VfioUserOptions? options = null
    )
    {
        ArgumentNullException.ThrowIfNull(channel);
        VfioUserHome home = new(device, loops, "inherited connection", options);
        home.Admit(channel);
        return home;
    }

    /// <summary>Serves until <see cref="Stop"/>, or until a single connection that was given has ended.</summary>
    /// <remarks>The calling thread becomes the home's control thread. When it returns no queue runs and nobody is connected.</remarks>
    /// <exception cref="InvalidOperationException">The home runs already.</exception>
    public void Run()
    {
        _control.Run();
        EndAll();
    }

    /// <summary>Makes <see cref="Run"/> return soon; also when it is called later. Any thread.</summary>
    public void Stop() => _control.Stop();

    /// <summary>Closes the socket, and removes it if the home made it. <see cref="Run"/> has returned, or was never called.</summary>
    public void Dispose()
    {
        EndAll();
        _source?.Dispose();
        _served.Dispose();
        _control.Dispose();
    }

    /// <summary>A connection has sent its first message.</summary>
    /// <returns>Whether it becomes the client; if not, it is to be ended.</returns>
    internal bool TryBegin(ClientConnection connection)
    {
        // One that was killed and started again is often faster than the word of its end; what it said last is of no use to anybody.
        if (_client is { HasPeerGone: true } gone)
        {
            End(gone);
        }

        if (_client is not null)
        {
            _log.TurnedAway(connection.PeerName, "another client is connected");
            return false;
        }

        _strangers.Remove(connection);
        _client = connection;
        connection.BeginSession(_served);
        return true;
    }

    /// <summary>A connection has come to its end.</summary>
    internal void End(ClientConnection connection)
    {
        connection.Dispose();
        _strangers.Remove(connection);
        if (ReferenceEquals(connection, _client))
        {
            _client = null;
        }

        if (_source is null)
        {
            _control.Stop();
        }

        _source?.OnEnded();
    }

    private void Admit(UnixChannel channel)
    {
        if (_strangers.Count == StrangersMax)
        {
            ClientConnection oldest = _strangers[0];
            _log.TurnedAway(oldest.PeerName, "it said nothing, and others are waiting");
            End(oldest);
        }

        _strangers.Add(new(this, channel, _control, _log));
    }

    private void EndAll()
    {
        _source?.Pause();
        while (_strangers.Count > 0)
        {
            End(_strangers[^1]);
        }

        if (_client is not null)
        {
            End(_client);
        }
    }
}
