using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vireo.Core.Contract;
using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Homes.VhostUser;

/// <summary>Offers a device to front-ends over a UNIX socket: the back-end of the vhost-user protocol.</summary>
/// <remarks>
/// <para>
/// Serves one front-end after another for as long as it runs, so that a guest can reboot, and its virtual machine monitor crash and
/// come back. A second front-end at the same time is turned away.
/// </para>
/// <para>
/// <see cref="Run"/> makes the calling thread the control thread; queues run on the loops of the group. All work of the protocol is
/// done on the control thread, which waits for nobody but the device.
/// </para>
/// </remarks>
public sealed class VhostUserHome : IDisposable
{
    /// <summary>Connections that have not yet said anything; one more, and the oldest is closed.</summary>
    private const int StrangersMax = 16;

    private readonly EventLoop _control = new();
    private readonly DeviceHost _host;
    private readonly ILogger _log;

    /// <summary>Connections that have not yet said anything, the oldest first.</summary>
    private readonly List<Connection> _strangers = [];

    /// <summary>Where connections come from; null for a single one that was there from the beginning.</summary>
    private ConnectionSource? _source;

    /// <summary>The connection that has the device.</summary>
    private Connection? _frontEnd;

    private VhostUserHome(VirtioDevice device, EventLoopGroup loops, string name, VhostUserOptions? options)
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

        Device = device;
        ProtocolFeatures = Offers.Protocol(device) & ~options.WithheldProtocolFeatures;
        _host = new(_control, queueLoops);
        device.Attach(_host, DeviceHost.NoMemory);
    }

    /// <summary>The device on offer.</summary>
    internal VirtioDevice Device { get; }

    /// <summary>The protocol features on offer.</summary>
    internal ulong ProtocolFeatures { get; }

    /// <summary>Listens on a path, and serves whoever connects, one after another.</summary>
    /// <param name="path">The socket's path, exactly as given; a socket left behind by a process that is gone is replaced.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    /// <exception cref="LinuxException">The path cannot be listened on.</exception>
    public static VhostUserHome Listen(
        string path,
        VirtioDevice device,
        EventLoopGroup loops,
        VhostUserOptions? options = null
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
    public static VhostUserHome Serve(
        UnixListener listener,
        VirtioDevice device,
        EventLoopGroup loops,
        VhostUserOptions? options = null
    )
    {
        ArgumentNullException.ThrowIfNull(listener);
        VhostUserHome home = new(device, loops, listener.Path ?? "inherited socket", options);
        home._source = new ListenerSource(listener, home.Admit, home._control, home._log);
        home._log.Listening();
        return home;
    }

    /// <summary>Serves one front-end that is connected already; when it goes, <see cref="Run"/> returns.</summary>
    /// <param name="channel">The connection; becomes the home's.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    public static VhostUserHome Serve(
        UnixChannel channel,
        VirtioDevice device,
        EventLoopGroup loops,
        VhostUserOptions? options = null
    )
    {
        ArgumentNullException.ThrowIfNull(channel);
        VhostUserHome home = new(device, loops, "inherited connection", options);
        home.Admit(channel);
        return home;
    }

    /// <summary>Connects to a front-end that listens, and connects again whenever the connection ends.</summary>
    /// <param name="path">The path the front-end listens on; it need not be there yet.</param>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The loops its queues run on, in turn; must outlive the home.</param>
    /// <param name="options">What is not to be as usual; null for nothing.</param>
    public static VhostUserHome Connect(
        string path,
        VirtioDevice device,
        EventLoopGroup loops,
        VhostUserOptions? options = null
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        VhostUserHome home = new(device, loops, path, options);
        home._source = new ConnectorSource(path, home.Admit, home._control, home._log);
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
        _control.Dispose();
    }

    /// <summary>A connection has sent its first message.</summary>
    /// <returns>Whether it becomes the front-end; if not, it is to be ended.</returns>
    internal bool TryBegin(Connection connection)
    {
        // One that was killed and started again is often faster than the word of its end; what it said last is of no use to anybody.
        if (_frontEnd is { HasPeerGone: true } gone)
        {
            End(gone);
        }

        if (_frontEnd is not null)
        {
            _log.TurnedAway(connection.PeerName, "another front-end is connected");
            return false;
        }

        _strangers.Remove(connection);
        _frontEnd = connection;
        connection.BeginSession(_host);
        return true;
    }

    /// <summary>A connection has come to its end.</summary>
    internal void End(Connection connection)
    {
        connection.Dispose();
        _strangers.Remove(connection);
        if (ReferenceEquals(connection, _frontEnd))
        {
            _frontEnd = null;
            _host.Session = null;
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
            Connection oldest = _strangers[0];
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

        if (_frontEnd is not null)
        {
            End(_frontEnd);
        }
    }
}
