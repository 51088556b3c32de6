using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.Loopback;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Net;

/// <summary>A network device, a port and a driver in one thread: packets go through real rings.</summary>
internal sealed class NetBench : IDisposable
{
    public const byte Ok = 0;
    public const byte Error = 1;

    private const byte Untouched = 0xEE;
    private readonly Dictionary<ulong, GuestRange[]> _posted = [];
    private ulong _lastTag;

    public NetBench(
        NetOptions? options = null,
        Func<FeatureSet, FeatureSet>? choose = null,
        FeatureSet? rings = null,
        FakeNetPort? port = null,
        ushort queueSize = 256,
        INetPort? plug = null
    )
    {
        Port = port ?? new();
        NetDevice device = new(plug ?? Port, options ?? new() { Mac = Mac });
        Home = LoopbackHome.Open(
            device,
            new()
            {
                DeviceFeatures = (choose ?? (static offered => offered))(device.OfferedFeatures),
                RingFeatures = rings ?? FeatureSet.Of(CoreFeature.EventIndex),
                QueueSize = queueSize,
            }
        );
    }

    public static MacAddress Mac => new(0x52_54_00_12_34_56);

    /// <summary>Each layout of rings.</summary>
    public static TheoryData<int[]> Layouts =>
        new()
        {
            new[] { CoreFeature.EventIndex },
            new[] { CoreFeature.IndirectDescriptors },
            new[] { CoreFeature.RingPacked },
            new[] { CoreFeature.RingPacked, CoreFeature.IndirectDescriptors, CoreFeature.EventIndex },
            new[] { CoreFeature.InOrder },
            new[] { CoreFeature.RingPacked, CoreFeature.InOrder },
        };

    public FakeNetPort Port { get; }

    /// <summary>How many receive buffers the device has.</summary>
    public int Posted => _posted.Count;

    public LoopbackHome Home { get; }

    public NetDevice Device => (NetDevice)Home.Lifecycle.Device;

    private int HeaderBytes =>
        Home.Features.Contains(NetFeatures.NetworkHeaderOffset) ? 32
        : Home.Features.Contains(NetFeatures.HostUdpTunnel) || Home.Features.Contains(NetFeatures.GuestUdpTunnel) ? 24
        : Home.Features.Contains(NetFeatures.HashReport) ? 20
        : 12;

    /// <summary>No feature that changes what a plain test sees.</summary>
    public static FeatureSet Plain(FeatureSet offered) =>
        offered & FeatureSet.Of(NetFeatures.Mac, NetFeatures.Status, NetFeatures.MultiQueue, NetFeatures.ControlQueue);

    /// <summary>Everything but what changes the length of the header or which frames pass.</summary>
    public static FeatureSet Unfiltered(FeatureSet offered) =>
        offered.Without(
            FeatureSet.Of(
                NetFeatures.HashReport,
                NetFeatures.SegmentCounts,
                NetFeatures.NetworkHeaderOffset,
                NetFeatures.GuestUdpTunnel,
                NetFeatures.GuestUdpTunnelChecksum,
                NetFeatures.HostUdpTunnel,
                NetFeatures.HostUdpTunnelChecksum,
                NetFeatures.ControlReceive,
                NetFeatures.ControlReceiveExtra,
                NetFeatures.ControlVlan
            )
        );

    /// <summary>Sends a packet in pieces of the given lengths; the last piece takes what is left.</summary>
    public void Send(byte[] packet, int queue = 1, params int[] pieces)
    {
        List<GuestRange> ranges = [];
        int at = 0;
        foreach (int piece in pieces)
        {
            ranges.Add(Home.Allocate(packet.AsSpan(at, piece)));
            at += piece;
        }

        if (at < packet.Length)
        {
            ranges.Add(Home.Allocate(packet.AsSpan(at)));
        }

        Assert.Equal(0u, Home.Exchange(queue, [.. ranges], []));
    }

    /// <summary>Sends a frame behind a header.</summary>
    public void Send(byte[] frame, NetHeader header, int queue = 1) => Send(WithHeader(frame, header), queue);

    /// <summary>Sends packets, headers included, that are all there before the device looks.</summary>
    public void SendTogether(IReadOnlyList<byte[]> packets, int queue = 1)
    {
        DriverQueue sender = Home.Queue(queue);
        foreach (byte[] packet in packets)
        {
            Assert.True(sender.TryAdd([Home.Allocate(packet)], [], 1));
        }

        sender.Publish();
        Home.Kick(queue);
        Home.Run();
        for (int count = 0; count < packets.Count; count++)
        {
            Assert.True(sender.TryTake(out _), $"{count} of {packets.Count} packets came back");
        }
    }

    public byte[] WithHeader(byte[] frame, NetHeader header, NetTunnelOffsets tunnel = default)
    {
        byte[] packet = new byte[HeaderBytes + frame.Length];
        Wire.Write(packet, in header);
        if (HeaderBytes >= NetTunnelOffsets.HeaderBytes)
        {
            tunnel.Write(packet);
        }

        frame.CopyTo(packet, HeaderBytes);
        return packet;
    }

    /// <summary>Gives the device a receive buffer of pieces of the given lengths.</summary>
    public void Post(int queue, params int[] pieces) =>
        Post(queue, [.. pieces.Select(piece => Home.Allocate((uint)piece))]);

    /// <summary>Gives the device a receive buffer in places of the test's own.</summary>
    public void Post(int queue, GuestRange[] ranges)
    {
        foreach (GuestRange range in ranges)
        {
            Home.Bytes(range).Fill(Untouched);
        }

        _posted.Add(++_lastTag, ranges);
        Assert.True(Home.Queue(queue).TryAdd([], ranges, _lastTag));
        if (Home.Queue(queue).Publish())
        {
            Home.Kick(queue);
        }
    }

    /// <summary>The used buffers of a receive queue, each as many bytes as the device says it wrote.</summary>
    public List<byte[]> TakeBuffers(int queue = 0)
    {
        Home.Run();
        List<byte[]> buffers = [];
        while (Home.Queue(queue).TryTake(out DriverCompletion completion))
        {
            byte[] all = [.. _posted[completion.Tag].SelectMany(range => Home.Bytes(range).ToArray())];
            AssertNothingTold(all.AsSpan((int)completion.WrittenBytes));
            buffers.Add(all[..(int)completion.WrittenBytes]);
            _posted.Remove(completion.Tag);
        }

        return buffers;
    }

    /// <summary>What was not written may hold zeroes instead of the driver's bytes, and nothing else: nobody's memory leaks.</summary>
    public static void AssertNothingTold(ReadOnlySpan<byte> unwritten) =>
        Assert.Equal(-1, unwritten.IndexOfAnyExcept(Untouched, (byte)0));

    /// <summary>The packets of a receive queue, merged as their headers say.</summary>
    public List<(NetHeader Header, byte[] Frame)> TakePackets(int queue = 0)
    {
        List<(NetHeader Header, byte[] Frame)> packets = [];
        Queue<byte[]> buffers = new(TakeBuffers(queue));
        while (buffers.TryDequeue(out byte[]? first))
        {
            NetHeader header = Wire.Read<NetHeader>(first);
            List<byte> bytes = [.. first];
            for (int count = 1; count < header.BufferCount; count++)
            {
                bytes.AddRange(buffers.Dequeue());
            }

            packets.Add((header, [.. bytes[HeaderBytes..]]));
        }

        return packets;
    }

    /// <summary>Sends a command and gives the answer, the result behind it.</summary>
    public byte[] Command(byte commandClass, byte command, byte[] data, int resultBytes = 0)
    {
        byte[] request = [commandClass, command, .. data];
        GuestRange answer = Home.Allocate((uint)(1 + resultBytes));
        Home.Bytes(answer).Fill(Untouched);
        uint written = Home.Exchange(Home.QueueCount - 1, [Home.Allocate(request)], [answer]);
        return Home.Bytes(answer)[..(int)written].ToArray();
    }

    public void Dispose() => Home.Dispose();
}
