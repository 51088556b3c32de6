using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>Writes counters as the driver reads them (VIRTIO 1.4 §5.1.6.5.11).</summary>
/// <remarks>Commands are rare: it may allocate.</remarks>
internal sealed class NetStatisticsReport
{
    private const int HeaderBytes = 8;

    private readonly NetDevice _device;
    private readonly List<byte> _bytes = [];
    private readonly long _lengthMax;

    /// <summary>Whether something did not fit; nothing follows then.</summary>
    private bool _isFull;

    /// <summary>Begins a report.</summary>
    /// <param name="device">The device.</param>
    /// <param name="lengthMax">How many bytes the driver has room for.</param>
    public NetStatisticsReport(NetDevice device, uint lengthMax)
    {
        _device = device;
        _lengthMax = lengthMax;
    }

    /// <summary>Whether the driver may ask for these counters of this queue.</summary>
    public static bool IsValid(NetDevice device, int queueIndex, NetStatisticsTypes types)
    {
        int control = 2 * device.PairCount;
        if (queueIndex > control)
        {
            return false;
        }

        NetStatisticsTypes possible =
            queueIndex == control ? NetStatisticsTypes.Control
            : queueIndex % 2 == 0 ? NetStatisticsTypes.Receive
            : NetStatisticsTypes.Transmit;
        return (types & ~possible) == NetStatisticsTypes.None && (types & ~KindsOf(device)) == NetStatisticsTypes.None;
    }

    /// <summary>The counters that a driver with these features may ask for: of offloads only those that were negotiated.</summary>
    /// <remarks>Linux asks for all that it is told of here, whatever it has negotiated.</remarks>
    public static NetStatisticsTypes KindsOf(NetDevice device)
    {
        NetStatisticsTypes types =
            NetStatisticsTypes.ReceiveBasic | NetStatisticsTypes.TransmitBasic | NetStatisticsTypes.Control;
        types |= If(NetStatisticsTypes.ReceiveChecksum, device, NetFeatures.GuestChecksum);
        types |= If(NetStatisticsTypes.TransmitChecksum, device, NetFeatures.Checksum);
        types |= If(NetStatisticsTypes.ReceiveSegmentation, device, NetFeatures.GuestTso4, NetFeatures.GuestTso6);
        types |= If(
            NetStatisticsTypes.TransmitSegmentation,
            device,
            NetFeatures.HostTso4,
            NetFeatures.HostTso6,
            NetFeatures.HostUso
        );
        return types;
    }

    /// <summary>Adds counters of a queue, each kind as far as it fits as a whole.</summary>
    /// <param name="queueIndex">The queue.</param>
    /// <param name="types">The kinds; valid for it.</param>
    /// <param name="commands">How many commands came, this one included, and how many were done.</param>
    public void Add(int queueIndex, NetStatisticsTypes types, (long All, long Done) commands)
    {
        if (types.HasFlag(NetStatisticsTypes.Control))
        {
            Write(32, queueIndex, commands.All, commands.Done);
            return;
        }

        if (queueIndex >= 2 * _device.PairCount)
        {
            return;
        }

        NetQueueStatistics counters = _device.StatisticsOf(queueIndex);
        (long kicks, long calls) = _device.SignalsOf(queueIndex);
        long plain = counters.Packets - counters.PartialChecksums - counters.ValidChecksums;
        long drops = counters.Errors + counters.Filtered + counters.Lost;
        bool isReceiving = queueIndex % 2 == 0;
        int first = isReceiving ? 0 : 16;
        if ((types & (NetStatisticsTypes.ReceiveBasic | NetStatisticsTypes.TransmitBasic)) != NetStatisticsTypes.None)
        {
            long special = isReceiving ? counters.Lost : counters.Errors;
            Write(first, queueIndex, kicks, counters.Packets, counters.Bytes, calls, drops, special);
        }

        if (types.HasFlag(NetStatisticsTypes.ReceiveChecksum))
        {
            // None is bad: a sum that is wrong is the network's, and for the driver to find.
            Write(first + 1, queueIndex, counters.ValidChecksums, counters.PartialChecksums, plain, 0);
        }

        if (types.HasFlag(NetStatisticsTypes.TransmitChecksum))
        {
            Write(first + 1, queueIndex, plain, counters.PartialChecksums);
        }

        if (types.HasFlag(NetStatisticsTypes.ReceiveSegmentation))
        {
            // They come as they are: the device joins none.
            Write(first + 2, queueIndex, counters.UnsegmentedPackets, counters.UnsegmentedBytes, 0, 0);
        }

        if (types.HasFlag(NetStatisticsTypes.TransmitSegmentation))
        {
            // They go to the port as they are: it is the port, or who is behind it, that makes segments.
            Write(
                first + 2,
                queueIndex,
                counters.UnsegmentedPackets,
                counters.UnsegmentedBytes,
                0,
                0,
                counters.UnsegmentedPackets,
                counters.UnsegmentedBytes
            );
        }
    }

    /// <summary>The report.</summary>
    public byte[] ToArray() => [.. _bytes];

    private static NetStatisticsTypes If(NetStatisticsTypes types, NetDevice device, params ReadOnlySpan<int> features)
    {
        foreach (int feature in features)
        {
            if (device.HasFeature(feature))
            {
                return types;
            }
        }

        return NetStatisticsTypes.None;
    }

    private void Write(int type, int queueIndex, params ReadOnlySpan<long> counters)
    {
        Span<byte> reply = stackalloc byte[HeaderBytes + 6 * sizeof(long)];
        reply = reply[..(HeaderBytes + counters.Length * sizeof(long))];
        _isFull |= _bytes.Count + reply.Length > _lengthMax;
        if (_isFull)
        {
            return;
        }

        reply.Clear();
        reply[0] = (byte)type;
        BinaryPrimitives.WriteUInt16LittleEndian(reply[2..], (ushort)queueIndex);
        BinaryPrimitives.WriteUInt16LittleEndian(reply[6..], (ushort)reply.Length);
        for (int index = 0; index < counters.Length; index++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(reply[(HeaderBytes + index * sizeof(long))..], counters[index]);
        }

        _bytes.AddRange(reply);
    }
}
