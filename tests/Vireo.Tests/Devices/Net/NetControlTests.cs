using System.Buffers.Binary;
using Vireo.Core.Spec;
using Vireo.Devices.Net;

namespace Vireo.Tests.Devices.Net;

/// <summary>The control queue: each command does what it says, and a wrong one does nothing.</summary>
public sealed class NetControlTests
{
    private static readonly byte[] On = [1];
    private static readonly byte[] Off = [0];
    private static readonly MacAddress Stranger = new(0x02_00_00_00_00_99);
    private static readonly MacAddress Group = new(0x01_00_5e_00_00_01);

    /// <summary>The key of the examples by which Toeplitz hashes are known.</summary>
    private static readonly byte[] Key = Convert.FromHexString(
        "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
    );

    [Fact]
    [Clause("net.dev.085", "net.dev.088")]
    public void Filter_AtFirst_LetsOwnAddressAndEverybodysThrough()
    {
        using NetBench bench = Open();

        Assert.True(Passes(bench, NetBench.Mac));
        Assert.True(Passes(bench, MacAddress.Broadcast));
        Assert.False(Passes(bench, Stranger));
        Assert.False(Passes(bench, Group));
    }

    [Fact]
    [Clause("net.dev.072", "net.dev.073", "net.dev.074")]
    public void Promiscuous_LetsEverythingThrough()
    {
        using NetBench bench = Open();
        Assert.Equal([NetBench.Ok], bench.Command(0, 5, On));
        Assert.Equal([NetBench.Ok], bench.Command(0, 4, On));

        Assert.Equal([NetBench.Ok], bench.Command(0, 0, On));
        Assert.True(Passes(bench, Stranger));
        Assert.True(Passes(bench, MacAddress.Broadcast));

        Assert.Equal([NetBench.Ok], bench.Command(0, 0, Off));
        Assert.False(Passes(bench, Stranger));
    }

    [Fact]
    [Clause("net.dev.075", "net.dev.076", "net.dev.077", "net.dev.078", "net.dev.079", "net.dev.080")]
    public void Modes_OfMulticastAndUnicast()
    {
        using NetBench bench = Open();
        bench.Command(0, 1, On);
        Assert.True(Passes(bench, Group));
        bench.Command(0, 2, On);
        Assert.True(Passes(bench, Stranger));

        bench.Command(0, 3, On);

        Assert.False(Passes(bench, Group));
        Assert.True(Passes(bench, MacAddress.Broadcast));
    }

    [Fact]
    [Clause("net.dev.081", "net.dev.082", "net.dev.083", "net.dev.084")]
    public void Modes_NothingUnicastNothingBroadcast()
    {
        using NetBench bench = Open();
        bench.Command(0, 1, On);
        bench.Command(0, 2, On);

        bench.Command(0, 4, On);
        bench.Command(0, 5, On);

        Assert.False(Passes(bench, NetBench.Mac));
        Assert.False(Passes(bench, MacAddress.Broadcast));
        Assert.True(Passes(bench, Group));
    }

    [Fact]
    [Clause("net.dev.086")]
    public void Table_IsInForceWhenTheCommandReturns()
    {
        using NetBench bench = Open();

        Assert.Equal([NetBench.Ok], bench.Command(1, 0, Table([Stranger], [Group])));
        Assert.True(Passes(bench, Stranger));
        Assert.True(Passes(bench, Group));

        Assert.Equal([NetBench.Ok], bench.Command(1, 0, Table([], [])));
        Assert.False(Passes(bench, Stranger));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(9)]
    [InlineData(13)]
    public void Table_CutShort_IsRefusedAndChangesNothing(int length)
    {
        using NetBench bench = Open();
        bench.Command(1, 0, Table([Stranger], []));

        Assert.Equal([NetBench.Error], bench.Command(1, 0, Table([Group], [Group])[..length]));

        Assert.True(Passes(bench, Stranger));
    }

    [Fact]
    public void Table_CountThatLies_IsRefused()
    {
        using NetBench bench = Open();

        Assert.Equal([NetBench.Error], bench.Command(1, 0, [0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0]));
    }

    [Fact]
    public void Table_TooLarge_OpensTheFilter()
    {
        using NetBench bench = Open();
        MacAddress[] many = [.. Enumerable.Range(0, 5000).Select(static i => MacAddress.Local((ulong)i))];

        Assert.Equal([NetBench.Ok], bench.Command(1, 0, Table(many, [])));

        Assert.True(Passes(bench, Stranger));
    }

    [Fact]
    [Clause("net.dev.087")]
    public void Address_SetByCommand_IsInConfigurationAndFilter()
    {
        using NetBench bench = Open();
        byte[] address = [0x02, 0, 0, 0, 0, 0x99];

        Assert.Equal([NetBench.Ok], bench.Command(1, 1, address));

        byte[] config = new byte[6];
        bench.Device.ReadConfig(0, config);
        Assert.Equal(address, config);
        Assert.True(Passes(bench, Stranger));
        Assert.False(Passes(bench, NetBench.Mac));
        bench.Home.Restart();
        Assert.Equal(NetBench.Mac, bench.Device.Mac);
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 1 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 2, 0, 0, 0, 0 })]
    public void Address_ThatNoCardCanHave_IsRefused(byte[] address)
    {
        using NetBench bench = Open();

        Assert.Equal([NetBench.Error], bench.Command(1, 1, address));

        Assert.Equal(NetBench.Mac, bench.Device.Mac);
    }

    [Fact]
    [Clause("net.dev.089")]
    public void Vlans_NotNegotiated_AllPass()
    {
        using NetBench bench = Open(NetFeatures.ControlVlan);

        Assert.True(PassesFrame(bench, Packets.Tagged(100, 5)));
    }

    [Fact]
    [Clause("net.dev.090")]
    public void Vlans_AreFilteredByTheTable()
    {
        using NetBench bench = Open();
        Assert.False(PassesFrame(bench, Packets.Tagged(100, 5)));

        Assert.Equal([NetBench.Ok], bench.Command(2, 0, [5, 0]));
        Assert.True(PassesFrame(bench, Packets.Tagged(100, 5)));
        Assert.False(PassesFrame(bench, Packets.Tagged(100, 6)));
        Assert.True(PassesFrame(bench, Packets.Plain(100)));

        Assert.Equal([NetBench.Ok], bench.Command(2, 1, [5, 0]));
        Assert.False(PassesFrame(bench, Packets.Tagged(100, 5)));
        Assert.Equal([NetBench.Error], bench.Command(2, 0, [0, 0x10]));
    }

    [Fact]
    [Clause("net.dev.091")]
    public void Announcement_IsAskedForUntilAcknowledged()
    {
        using NetBench bench = Open();

        Assert.True(bench.Device.RequestAnnouncement());
        Assert.Equal(3, StatusOf(bench));
        Assert.Equal(1, bench.Home.ConfigChangeCount);
        Assert.Equal([NetBench.Ok], bench.Command(3, 0, []));

        Assert.Equal(1, StatusOf(bench));
    }

    [Fact]
    [Clause("net.dev.097", "net.dev.098")]
    public void Pairs_AreUsedAsTheCommandSays()
    {
        using NetBench bench = Open(pairs: 3);
        Assert.Equal(1, bench.Port.PairsUsed);

        Assert.Equal([NetBench.Ok], bench.Command(4, 0, [2, 0]));
        Assert.Equal(2, bench.Port.PairsUsed);
        Assert.Equal([NetBench.Error], bench.Command(4, 0, [0, 0]));
        Assert.Equal([NetBench.Error], bench.Command(4, 0, [4, 0]));
        Assert.Equal([NetBench.Error], bench.Command(4, 0, [1]));

        bench.Home.Restart();
        Assert.Equal(1, bench.Port.PairsUsed);
    }

    [Fact]
    [Clause("net.dev.094", "net.dev.095")]
    public void Flows_ComeBackOnThePairTheyWereSentOn()
    {
        using NetBench bench = new(
            new() { Mac = NetBench.Mac, PairCount = 2 },
            NetBench.Unfiltered,
            port: new()
            {
                Traits = new()
                {
                    PairsMax = 1,
                    SendOffloads = NetOffloads.All,
                    ReceiveOffloads = NetOffloads.All,
                },
            }
        );
        bench.Command(4, 0, [2, 0]);
        bench.Post(0, 2000);
        bench.Post(2, 2000);

        bench.Send(Packets.Ip(true, "10.0.0.2", "10.0.0.1", 80, 1000, 10), default, queue: 3);
        bench.Port.Bring(Packets.Tcp4(10));
        bench.Port.Bring(Packets.Ip(true, "10.0.0.9", "10.0.0.2", 5, 6, 10));

        Assert.Single(bench.TakePackets(2));
        Assert.Single(bench.TakePackets(0));
    }

    [Fact]
    [Clause("net.dev.102", "net.dev.067")]
    public void Scaling_ChoosesTheQueueByTheHash()
    {
        using NetBench bench = new(
            new()
            {
                Mac = NetBench.Mac,
                PairCount = 3,
                HasReceiveSideScaling = true,
            },
            NetBench.Unfiltered
        );
        // Hash 0x51ccc178: the lowest bit of the masked hash is 0, so entry 0; unclassified packets go to pair 1.
        Assert.Equal([NetBench.Ok], bench.Command(4, 1, Scaling(0x3f, [2, 0], unclassified: 1, transmitters: 3, Key)));
        foreach (int queue in (int[])[0, 2, 4])
        {
            bench.Post(queue, 2000);
        }

        bench.Port.Bring(Packets.Ip(true, "66.9.149.187", "161.142.100.80", 2794, 1766, 10));
        bench.Port.Bring(Packets.Plain(80));

        Assert.Single(bench.TakePackets(4));
        Assert.Single(bench.TakePackets(2));
        Assert.Empty(bench.TakePackets(0));
    }

    [Fact]
    [Clause("net.dev.103")]
    public void Scaling_QueueThatDoesNotRun_DropsThePacket()
    {
        using NetBench bench = new(
            new()
            {
                Mac = NetBench.Mac,
                PairCount = 2,
                HasReceiveSideScaling = true,
            },
            NetBench.Unfiltered
        );
        bench.Command(4, 1, Scaling(0x3f, [1], unclassified: 1, transmitters: 2, Key));
        bench.Post(0, 2000);
        bench.Home.StopQueue(2);

        bench.Port.Bring(Packets.Tcp4(10));

        Assert.Empty(bench.TakePackets(0));
        Assert.Equal(0, bench.Port.Waiting);
    }

    [Theory]
    [InlineData(0x200u, 2, 0, 1, 40)]
    [InlineData(0x3fu, 3, 0, 1, 40)]
    [InlineData(0x3fu, 2, 9, 1, 40)]
    [InlineData(0x3fu, 2, 0, 0, 40)]
    [InlineData(0x3fu, 2, 0, 9, 40)]
    [InlineData(0x3fu, 2, 0, 1, 41)]
    [InlineData(0x3fu, 256, 0, 1, 40)]
    public void Scaling_Impossible_IsRefused(uint types, int entries, int unclassified, int transmitters, int keyBytes)
    {
        using NetBench bench = new(new() { PairCount = 2, HasReceiveSideScaling = true }, NetBench.Unfiltered);
        byte[] data = Scaling(
            types,
            new ushort[entries],
            (ushort)unclassified,
            (ushort)transmitters,
            new byte[keyBytes]
        );

        Assert.Equal([NetBench.Error], bench.Command(4, 1, data));
    }

    [Theory]
    [Clause("net.dev.066", "net.dev.068", "net.dev.101")]
    [InlineData(true, "66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178u, 2)]
    [InlineData(true, "199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0eau, 2)]
    [InlineData(true, "24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394au, 2)]
    [InlineData(true, "38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327fu, 2)]
    [InlineData(true, "153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2u, 2)]
    [InlineData(false, "66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178u, 3)]
    [InlineData(true, "3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0xdde51bbfu, 5)]
    [InlineData(true, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x02d1feefu, 5)]
    [InlineData(true, "3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x40207d3du, 5)]
    [InlineData(false, "3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x40207d3du, 6)]
    public void HashReport_IsTheKnownValue(
        bool isTcp,
        string source,
        int sourcePort,
        string destination,
        int destinationPort,
        uint hash,
        int report
    )
    {
        using NetBench bench = new(choose: static offered => NetBench.Unfiltered(offered).With(NetFeatures.HashReport));
        Assert.Equal([NetBench.Ok], bench.Command(4, 2, HashConfig(0x3f, Key)));
        bench.Post(0, 2000);

        bench.Port.Bring(Packets.Ip(isTcp, source, destination, sourcePort, destinationPort, 10));

        byte[] buffer = Assert.Single(bench.TakeBuffers());
        Assert.Equal(hash, BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(12)));
        Assert.Equal(report, BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(16)));
    }

    [Theory]
    [InlineData(0x1u, 0x323e8fc2u, 1)]
    [InlineData(0x0u, 0u, 0)]
    [InlineData(0x4u, 0u, 0)]
    public void HashReport_OnlyEnabledTypes(uint types, uint hash, int report)
    {
        using NetBench bench = new(choose: static offered => NetBench.Unfiltered(offered).With(NetFeatures.HashReport));
        bench.Command(4, 2, HashConfig(types, Key));
        bench.Post(0, 2000);

        bench.Port.Bring(Packets.Ip(true, "66.9.149.187", "161.142.100.80", 2794, 1766, 10));

        byte[] buffer = Assert.Single(bench.TakeBuffers());
        Assert.Equal(hash, BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(12)));
        Assert.Equal(report, BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(16)));
    }

    [Fact]
    public void Offloads_TurnedOff_AreDoneForTheDriver()
    {
        using NetBench bench = new(choose: NetBench.Unfiltered);
        byte[] whole = Packets.Tcp4(500);
        byte[] partial = Packets.WithPartialChecksum(whole);
        bench.Post(0, 2000);

        Assert.Equal([NetBench.Ok], bench.Command(5, 0, new byte[8]));
        Assert.Equal(NetOffloads.None, bench.Port.ReceiveOffloads);
        bench.Port.Bring(partial, Packets.PartialHeader(partial));

        Assert.Equal(whole, Assert.Single(bench.TakePackets()).Frame);
        Assert.Equal([NetBench.Ok], bench.Command(5, 0, [0x82, 0, 0, 0, 0, 0, 0, 0]));
        Assert.Equal(NetOffloads.Checksum | NetOffloads.Tso4, bench.Port.ReceiveOffloads);
    }

    [Fact]
    public void Offloads_NotNegotiated_AreRefused()
    {
        using NetBench bench = new(choose: static offered =>
            NetBench.Unfiltered(offered).Without(NetFeatures.GuestTso6)
        );

        Assert.Equal([NetBench.Error], bench.Command(5, 0, [0x02, 0x01, 0, 0, 0, 0, 0, 0]));
        Assert.Equal([NetBench.Error], bench.Command(5, 0, [0x01, 0, 0, 0, 0, 0, 0, 0]));
        Assert.Equal([NetBench.Error], bench.Command(5, 0, [0x02, 0, 0]));
    }

    [Fact]
    [Clause("net.dev.106", "net.dev.107", "net.dev.108", "net.dev.109", "net.dev.114")]
    public void Coalescing_LastCommandCounts()
    {
        using NetBench bench = Open(pairs: 2);
        byte[] first = [10, 0, 0, 0, 20, 0, 0, 0];
        byte[] second = [30, 0, 0, 0, 40, 0, 0, 0];

        Assert.Equal([NetBench.Ok, .. new byte[8]], bench.Command(6, 3, [1, 0, 0xff, 0xff], 8));
        Assert.Equal([NetBench.Ok], bench.Command(6, 1, first));
        Assert.Equal([NetBench.Ok], bench.Command(6, 2, [0, 0, 0xff, 0xff, .. second]));

        Assert.Equal([NetBench.Ok, .. second], bench.Command(6, 3, [0, 0, 0, 0], 8));
        Assert.Equal([NetBench.Ok, .. first], bench.Command(6, 3, [2, 0, 0, 0], 8));
        Assert.Equal([NetBench.Ok, .. new byte[8]], bench.Command(6, 3, [1, 0, 0, 0], 8));
        Assert.Equal([NetBench.Error], bench.Command(6, 3, [4, 0, 0, 0], 8));
        Assert.Equal([NetBench.Error], bench.Command(6, 2, [9, 0, 0, 0, .. first]));
        Assert.Equal([NetBench.Error], bench.Command(6, 0, [1, 2, 3]));
        bench.Home.Restart();
        Assert.Equal([NetBench.Ok, .. new byte[8]], bench.Command(6, 3, [0, 0, 0, 0], 8));
    }

    [Fact]
    [Clause("net.dev.110", "net.dev.111")]
    public void Coalescing_QueueThatStartsAnew_HasItsDirections()
    {
        using NetBench bench = Open(pairs: 1);
        byte[] all = [10, 0, 0, 0, 20, 0, 0, 0];
        bench.Command(6, 1, all);
        bench.Command(6, 2, [0, 0, 0, 0, .. new byte[8]]);

        bench.Home.ResetQueue(0, 64);

        Assert.Equal([NetBench.Ok, .. all], bench.Command(6, 3, [0, 0, 0, 0], 8));
    }

    [Theory]
    [InlineData(10, 0)]
    [InlineData(7, 1)]
    [InlineData(8, 2)]
    [InlineData(9, 0)]
    [InlineData(0, 6)]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(3, 1)]
    [InlineData(4, 3)]
    [InlineData(5, 1)]
    [InlineData(6, 4)]
    [InlineData(255, 255)]
    public void Command_Unknown_IsRefused(byte commandClass, byte command)
    {
        using NetBench bench = Open(pairs: 2);

        Assert.Equal([NetBench.Error], bench.Command(commandClass, command, new byte[64]));
    }

    [Fact]
    public void Command_NotNegotiated_IsRefused()
    {
        using NetBench bench = new(choose: NetBench.Plain);

        for (byte commandClass = 0; commandClass <= 9; commandClass++)
        {
            Assert.Equal([NetBench.Error], bench.Command(commandClass, 0, new byte[64]));
        }
    }

    [Fact]
    public void Command_NoRoomForTheAnswer_IsGivenBackAndNotDone()
    {
        using NetBench bench = Open();

        Assert.Equal(0u, bench.Home.Exchange(2, [bench.Home.Allocate([0, 0, 1])], []));

        Assert.False(Passes(bench, Stranger));
    }

    [Fact]
    public void Command_TooShort_IsRefused()
    {
        using NetBench bench = Open();
        Vireo.Core.Memory.GuestRange answer = bench.Home.Allocate(1);

        Assert.Equal(1u, bench.Home.Exchange(2, [bench.Home.Allocate([0])], [answer]));

        Assert.Equal(NetBench.Error, bench.Home.Bytes(answer)[0]);
    }

    [Fact]
    public void Commands_RandomBytes_AreAnswered()
    {
        using NetBench bench = Open(pairs: 2);
        Random random = new(11);
        for (int round = 0; round < 5000; round++)
        {
            byte[] data = new byte[random.Next(0, 60)];
            random.NextBytes(data);
            byte[] answer = bench.Command((byte)random.Next(11), (byte)random.Next(7), data, random.Next(0, 12));
            Assert.InRange(answer[0], NetBench.Ok, NetBench.Error);
        }
    }

    private static NetBench Open(int without = 127, int pairs = 1) =>
        new(
            new() { Mac = NetBench.Mac, PairCount = pairs },
            offered => offered.Without(FeatureSet.Of(NetFeatures.HashReport, without)),
            queueSize: 64
        );

    private static bool Passes(NetBench bench, MacAddress to) => PassesFrame(bench, Packets.Plain(100, to));

    private static bool PassesFrame(NetBench bench, byte[] frame)
    {
        bench.Post(0, 2000);
        long before = bench.Device.StatisticsOf(0).Packets;
        bench.Port.Bring(frame);
        bench.TakeBuffers();
        return bench.Device.StatisticsOf(0).Packets > before;
    }

    private static int StatusOf(NetBench bench)
    {
        byte[] status = new byte[2];
        bench.Device.ReadConfig(6, status);
        return BinaryPrimitives.ReadUInt16LittleEndian(status);
    }

    private static byte[] Table(MacAddress[] unicast, MacAddress[] multicast) =>
        [.. Addresses(unicast), .. Addresses(multicast)];

    private static byte[] Addresses(MacAddress[] addresses)
    {
        byte[] bytes = new byte[4 + 6 * addresses.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, addresses.Length);
        for (int index = 0; index < addresses.Length; index++)
        {
            addresses[index].Write(bytes.AsSpan(4 + 6 * index));
        }

        return bytes;
    }

    private static byte[] HashConfig(uint types, byte[] key) =>
        [.. BitConverter.GetBytes(types), .. new byte[8], (byte)key.Length, .. key];

    private static byte[] Scaling(uint types, ushort[] table, ushort unclassified, ushort transmitters, byte[] key) =>
        [
            .. BitConverter.GetBytes(types),
            .. BitConverter.GetBytes((ushort)(table.Length - 1)),
            .. BitConverter.GetBytes(unclassified),
            .. table.SelectMany(BitConverter.GetBytes),
            .. BitConverter.GetBytes(transmitters),
            (byte)key.Length,
            .. key,
        ];
}
