using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net.Tap;

/// <summary>A tap: frames go to and come from a network interface of the host, offloads included.</summary>
/// <remarks>
/// One descriptor for each pair of queues. The kernel spreads flows over them and sends what belongs to a flow to the queue it was
/// last seen on; so it steers, and the device need not.
/// </remarks>
public sealed class TapPort : INetPort, IDisposable
{
    private readonly TapDevice[] _queues;
    private readonly EventLoopGroup _loops;

    /// <summary>Length of the header before each frame, in both directions.</summary>
    private readonly int _headerBytes;

    /// <summary>Which queues the kernel may put frames into. Control thread, or the loop of pair 0.</summary>
    private readonly bool[] _isAttached;

    /// <summary>Which queues have a receiver.</summary>
    private readonly bool[] _isOpen;

    private readonly Lock _gate = new();
    private int _pairsUsed = int.MaxValue;

    private TapPort(TapDevice[] queues, EventLoopGroup loops)
    {
        _queues = queues;
        _loops = loops;
        _isAttached = new bool[queues.Length];
        _isOpen = new bool[queues.Length];
        Array.Fill(_isAttached, true);
        NetOffloads offloads = FindOffloads(queues[0]);
        _headerBytes = offloads.HasFlag(NetOffloads.Tunnel) ? NetTunnelOffsets.HeaderBytes : NetHeader.LengthBytes;
        foreach (TapDevice queue in queues)
        {
            queue.SetHeaderLength(_headerBytes);
        }

        Traits = new()
        {
            PairsMax = queues.Length,
            SendOffloads = offloads,
            ReceiveOffloads = offloads,
            MtuBytes = NetInterface.Exists(Name) ? NetInterface.MtuOf(Name) : 0,
        };
        UpdateAttached();
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; }

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <summary>The interface's name.</summary>
    public string Name => _queues[0].Name;

    /// <summary>What got lost between this process and the kernel.</summary>
    public NetPortCounters Counters { get; } = new();

    /// <summary>Attaches to an interface of the host, which is made if there is none of that name.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="pairCount">How many queues, from 1.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">See <see cref="TapDevice.Open"/>.</exception>
    public static TapPort Open(string name, int pairCount, EventLoopGroup loops)
    {
        List<TapDevice> queues = [];
        try
        {
            string wanted = name;
            for (int index = 0; index < pairCount; index++)
            {
                var queue = TapDevice.Open(wanted, isMultiQueue: pairCount > 1);
                queues.Add(queue);
                // A name with a number in it is known now.
                wanted = queue.Name;
            }

            return new([.. queues], loops);
        }
        catch
        {
            queues.ForEach(static queue => queue.Dispose());
            throw;
        }
    }

    /// <summary>Attaches to a macvtap, an interface of its own on a card of the host.</summary>
    /// <param name="name">Its name; it is there.</param>
    /// <param name="pairCount">How many queues, from 1.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="LinuxException">See <see cref="TapDevice.OpenMacvtap"/>.</exception>
    public static TapPort OpenMacvtap(string name, int pairCount, EventLoopGroup loops)
    {
        List<TapDevice> queues = [];
        try
        {
            for (int index = 0; index < pairCount; index++)
            {
                queues.Add(TapDevice.OpenMacvtap(name, isMultiQueue: pairCount > 1));
            }

            return new([.. queues], loops);
        }
        catch
        {
            queues.ForEach(static queue => queue.Dispose());
            throw;
        }
    }

    /// <summary>Takes over queues of an interface that somebody else opened.</summary>
    /// <param name="queues">The queues, all of one interface; become the port's.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static TapPort Wrap(IReadOnlyList<TapDevice> queues, EventLoopGroup loops)
    {
        ArgumentNullException.ThrowIfNull(queues);
        return new([.. queues], loops);
    }

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) => _queues[0].TrySetOffloads(ToTap(offloads));

    /// <inheritdoc/>
    public void SetPairsUsed(int count)
    {
        lock (_gate)
        {
            _pairsUsed = count;
            UpdateAttached();
        }
    }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) =>
        new FrameSender(_queues[pairIndex], _headerBytes, Counters);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        FrameReceiver receiver = new(
            _queues[pairIndex],
            _headerBytes,
            queue,
            _loops[queue.LoopIndex],
            Counters,
            () => Close(pairIndex)
        );
        lock (_gate)
        {
            _isOpen[pairIndex] = true;
            UpdateAttached();
        }

        return receiver;
    }

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        using FrameSender sender = new(_queues[0], _headerBytes, Counters);
        sender.Send(new(default, frame, [], frame.Length));
    }

    /// <summary>Detaches from the interface.</summary>
    public void Dispose()
    {
        foreach (TapDevice queue in _queues)
        {
            queue.Dispose();
        }
    }

    /// <summary>What this kernel can leave undone; what it can do itself is at least as much.</summary>
    private static NetOffloads FindOffloads(TapDevice queue)
    {
        NetOffloads basic = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.Ecn;
        NetOffloads found = basic;
        foreach (NetOffloads more in (ReadOnlySpan<NetOffloads>)[NetOffloads.Uso4 | NetOffloads.Uso6, NetOffloads.Ufo])
        {
            found |= queue.TrySetOffloads(ToTap(basic | more)) ? more : NetOffloads.None;
        }

        const NetOffloads Tunnel = NetOffloads.Tunnel | NetOffloads.TunnelChecksum;
        bool hasTunnel =
            found.HasFlag(NetOffloads.Segments) && queue.TrySetOffloads(ToTap(basic | NetOffloads.Segments | Tunnel));
        found |= hasTunnel ? Tunnel : NetOffloads.None;

        queue.TrySetOffloads(TapOffloads.None);
        return found;
    }

    private static TapOffloads ToTap(NetOffloads offloads)
    {
        // Tunnels go with all that may be in them.
        if (!offloads.HasFlag(NetOffloads.Segments | NetOffloads.Tunnel))
        {
            offloads &= ~(NetOffloads.Tunnel | NetOffloads.TunnelChecksum);
        }

        return If(offloads, NetOffloads.Checksum, TapOffloads.Checksum)
            | If(offloads, NetOffloads.Tso4, TapOffloads.Tso4)
            | If(offloads, NetOffloads.Tso6, TapOffloads.Tso6)
            | If(offloads, NetOffloads.Ecn, TapOffloads.Ecn)
            | If(offloads, NetOffloads.Ufo, TapOffloads.Ufo)
            // The kernel takes these two together only.
            | If(offloads, NetOffloads.Uso4 | NetOffloads.Uso6, TapOffloads.Uso4 | TapOffloads.Uso6)
            | If(offloads, NetOffloads.Tunnel, TapOffloads.Tunnel)
            | If(offloads, NetOffloads.TunnelChecksum, TapOffloads.TunnelChecksum);
    }

    private static TapOffloads If(NetOffloads offloads, NetOffloads wanted, TapOffloads result) =>
        offloads.HasFlag(wanted) ? result : TapOffloads.None;

    private void Close(int pairIndex)
    {
        lock (_gate)
        {
            _isOpen[pairIndex] = false;
            UpdateAttached();
        }
    }

    /// <summary>The kernel puts frames only into queues that somebody reads; the first one stays, for an interface needs one.</summary>
    private void UpdateAttached()
    {
        for (int index = 1; index < _queues.Length; index++)
        {
            bool isWanted = _isOpen[index] && index < _pairsUsed;
            if (isWanted != _isAttached[index] && _queues[index].SetAttached(isWanted) == 0)
            {
                _isAttached[index] = isWanted;
            }
        }
    }
}
