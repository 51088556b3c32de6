using System.Buffers.Binary;
using Vireo.Backends.Net.Null;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Homes.Loopback;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Net;

/// <summary>What a network device says of itself, and what it costs to use it.</summary>
public sealed class NetDeviceTests
{
    [Fact]
    [Clause("net.dev.002", "net.dev.003", "net.dev.004", "net.dev.008", "net.dev.009", "net.dev.011", "net.dev.012")]
    public void Config_SaysWhatWasDecided()
    {
        using NetDevice device = new(
            new FakeNetPort(),
            new()
            {
                Mac = NetBench.Mac,
                MtuBytes = 9000,
                PairCount = 3,
                SpeedMegabits = 10_000,
            }
        );
        byte[] config = new byte[device.ConfigLengthBytes];

        device.ReadConfig(0, config);

        Assert.Equal(28, config.Length);
        Assert.Equal([0x52, 0x54, 0x00, 0x12, 0x34, 0x56], config[..6]);
        Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(config.AsSpan(6)));
        Assert.Equal(3, BinaryPrimitives.ReadUInt16LittleEndian(config.AsSpan(8)));
        Assert.Equal(9000, BinaryPrimitives.ReadUInt16LittleEndian(config.AsSpan(10)));
        Assert.Equal(10_000, BinaryPrimitives.ReadInt32LittleEndian(config.AsSpan(12)));
        Assert.Equal(1, config[16]);
        Assert.Equal(40, config[17]);
        Assert.Equal(128, BinaryPrimitives.ReadUInt16LittleEndian(config.AsSpan(18)));
        Assert.Equal(0x3fu, BinaryPrimitives.ReadUInt32LittleEndian(config.AsSpan(20)));
    }

    [Fact]
    public void Queues_ArePairsAndControl()
    {
        using NetDevice device = new(new FakeNetPort(), new() { PairCount = 2 });

        Assert.Equal(DeviceType.Net, device.Type);
        Assert.Equal(
            "receiveq1 transmitq1 receiveq2 transmitq2 controlq",
            string.Join(' ', device.Queues.Select(static queue => queue.Name))
        );
    }

    [Fact]
    [Clause("net.dev.014", "net.dev.015")]
    public void Features_WithoutControlQueue_NeedNone()
    {
        using NetDevice device = new(new FakeNetPort(), new() { PairCount = 2, HasControlQueue = false });

        Assert.Equal(4, device.Queues.Count);
        Assert.True(device.OfferedFeatures.Contains(NetFeatures.MultiQueue));
        Assert.True(
            (
                device.OfferedFeatures
                & FeatureSet.Of(
                    NetFeatures.ControlQueue,
                    NetFeatures.ControlReceive,
                    NetFeatures.ControlReceiveExtra,
                    NetFeatures.ControlVlan,
                    NetFeatures.ControlGuestOffloads,
                    NetFeatures.ControlMacAddress,
                    NetFeatures.GuestAnnounce,
                    NetFeatures.HashReport,
                    NetFeatures.ReceiveSideScaling
                )
            ).IsEmpty
        );
    }

    [Fact]
    public void Features_FollowThePort()
    {
        FakeNetPort port = new() { Traits = new() { SendOffloads = NetOffloads.Checksum | NetOffloads.Tso4 } };
        using NetDevice device = new(port);

        FeatureSet offered = device.OfferedFeatures;

        Assert.True(offered.Contains(NetFeatures.Checksum));
        Assert.True(offered.Contains(NetFeatures.HostTso4));
        Assert.False(offered.Contains(NetFeatures.HostTso6));
        Assert.False(offered.Contains(NetFeatures.GuestChecksum));
        Assert.False(offered.Contains(NetFeatures.Mac));
        Assert.False(offered.Contains(NetFeatures.Mtu));
    }

    [Theory]
    [InlineData(0, 256, 0)]
    [InlineData(128, 256, 0)]
    [InlineData(1, 100, 0)]
    [InlineData(1, 256, 67)]
    [InlineData(1, 256, 65536)]
    public void Options_OutOfRange_AreRefused(int pairs, int size, int mtu)
    {
        NetOptions options = new()
        {
            PairCount = pairs,
            QueueSizeMax = (ushort)size,
            MtuBytes = mtu,
        };

        Assert.Throws<DeviceException>(() => new NetDevice(new FakeNetPort(), options));
    }

    [Fact]
    public void Options_ScalingWithoutControlQueue_IsRefused() =>
        Assert.Throws<DeviceException>(() =>
            new NetDevice(new FakeNetPort(), new() { HasControlQueue = false, HasReceiveSideScaling = true })
        );

    [Fact]
    public void Announce_SendsAReverseArpRequest()
    {
        using NetBench bench = new();

        ((IAnnouncingDevice)bench.Device).Announce([0x52, 0x54, 0, 1, 2, 3]);

        byte[] frame = Assert.Single(bench.Port.Injected);
        Assert.Equal(
            "ffffffffffff52540001020380350001080006040003525400010203",
            Convert.ToHexStringLower(frame.AsSpan(0, 28))
        );
        Assert.Equal(60, frame.Length);
    }

    [Fact]
    [Clause("net.dev.005")]
    public void Mtu_SetByTheHome_OnlyDownFromWhatWasOffered()
    {
        using NetBench bench = new(new() { MtuBytes = 1500 });
        NetDevice device = bench.Device;

        Assert.False(device.TrySetMtu(1501));
        Assert.False(device.TrySetMtu(67));
        Assert.True(device.TrySetMtu(1400));
    }

    [Fact]
    public void Offloads_Negotiated_AreTheOnesThePortIsTold()
    {
        using NetBench bench = new(choose: static offered =>
            offered & FeatureSet.Of(NetFeatures.GuestChecksum, NetFeatures.GuestTso4, NetFeatures.GuestTso6)
        );

        Assert.Equal(NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6, bench.Port.ReceiveOffloads);
    }

    [Theory]
    [InlineData("52:54:00:12:34:56", 0x525400123456)]
    [InlineData("FF-ff-00-00-00-01", 0xffff00000001)]
    public void MacAddress_AsPeopleWriteIt_IsRead(string text, long value)
    {
        Assert.True(MacAddress.TryParse(text, out MacAddress address));

        Assert.Equal((ulong)value, address.Value);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("52:54:00:12:34")]
    [InlineData("52:54:00:12:34:5")]
    [InlineData("52:54:00:12:34:5g")]
    [InlineData("52:54:00:12:34:56:")]
    [InlineData("52.54.00.12.34.56")]
    [InlineData("+2:54:00:12:34:56")]
    public void MacAddress_AnythingElse_IsNone(string? text) => Assert.False(MacAddress.TryParse(text, out _));

    [Fact]
    public void MacAddress_ToString_IsReadAgain() => Assert.Equal("52:54:00:12:34:56", NetBench.Mac.ToString());

    [Theory]
    [InlineData(60, false)]
    [InlineData(1514, false)]
    [InlineData(1514, true)]
    [InlineData(9000, true)]
    public void Packets_ThereAndBack_AllocateNothing(int length, bool isPacked)
    {
        const int Depth = 16;
        FeatureSet rings = isPacked ? FeatureSet.Of(CoreFeature.RingPacked) : FeatureSet.Of(CoreFeature.EventIndex);
        using var home = LoopbackHome.Open(
            new NetDevice(new LoopbackPort()),
            new() { RingFeatures = rings, DeviceFeatures = FeatureSet.Of(NetFeatures.MergeReceiveBuffers) }
        );
        byte[] packet = [.. new byte[12], .. Packets.Plain(length)];
        GuestRange[] outgoing = [home.Allocate(packet)];
        GuestRange[] incoming = [home.Allocate(2048)];
        DriverQueue receive = home.Queue(0);
        DriverQueue transmit = home.Queue(1);

        Allocations.AssertNone(() =>
        {
            for (int round = 0; round < 1000; round++)
            {
                for (int index = 0; index < Depth; index++)
                {
                    receive.TryAdd([], incoming, 1);
                }

                receive.Publish();
                for (int index = 0; index < 2; index++)
                {
                    transmit.TryAdd(outgoing, [], 1);
                }

                transmit.Publish();
                home.Kick(1);
                while (receive.TryTake(out _) || transmit.TryTake(out _)) { }
            }
        });

        long packets = ((NetDevice)home.Lifecycle.Device).StatisticsOf(0).Packets;
        Assert.True(packets > 1000, $"{packets} packets came back");
    }
}
