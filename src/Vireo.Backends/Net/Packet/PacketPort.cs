using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net.Packet;

/// <summary>An interface of the host, shared with the host (AF_PACKET): the guest is one more card on its cable.</summary>
/// <remarks>
/// The host and the guest do not hear each other, because neither hears what the other sends. Frames come as the kernel has put them
/// together (GRO) and go as the guest has left them; the kernel cuts them for the card.
/// </remarks>
public sealed class PacketPort : INetPort, IDisposable
{
    private readonly PacketSocket _socket;
    private readonly EventLoopGroup _loops;

    private PacketPort(PacketSocket socket, string name, EventLoopGroup loops)
    {
        _socket = socket;
        _loops = loops;
        Name = name;
        const NetOffloads Kernel =
            NetOffloads.Checksum
            | NetOffloads.Tso4
            | NetOffloads.Tso6
            | NetOffloads.Ecn
            | NetOffloads.Uso4
            | NetOffloads.Uso6;
        Traits = new()
        {
            PairsMax = 1,
            SendOffloads = Kernel,
            ReceiveOffloads = Kernel,
            MtuBytes = NetInterface.MtuOf(name),
        };
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; }

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>What got lost between this process and the kernel.</summary>
    public NetPortCounters Counters { get; } = new();

    /// <summary>Plugs into an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">See <see cref="PacketSocket.Open"/>.</exception>
    public static PacketPort Open(string name, EventLoopGroup loops)
    {
        var socket = PacketSocket.Open(name);
        try
        {
            return new(socket, name, loops);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The kernel cannot be told here: what a driver does not take is done by the device.</remarks>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) =>
        new FrameSender(_socket, PacketSocket.HeaderBytes, Counters);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) =>
        new FrameReceiver(
            _socket,
            PacketSocket.HeaderBytes,
            queue,
            _loops[queue.LoopIndex],
            Counters,
            static () => { }
        );

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        using FrameSender sender = new(_socket, PacketSocket.HeaderBytes, Counters);
        sender.Send(new(default, frame, [], frame.Length));
    }

    /// <summary>Unplugs from the interface.</summary>
    public void Dispose() => _socket.Dispose();
}
