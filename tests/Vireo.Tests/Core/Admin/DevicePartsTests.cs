using System.Buffers.Binary;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using static Vireo.Tests.Core.Admin.AdminBench;

namespace Vireo.Tests.Core.Admin;

/// <summary>The state of a function in parts, taken out and put back by its own driver, and the mode in which it stands still.</summary>
public sealed class DevicePartsTests
{
    private const uint Getter = 0;
    private const uint Setter = 1;
    private const ushort QueueConfig = 0x104;

    /// <summary>Features twice, three fields of the common configuration, the status, and for each queue its registers and its kick.</summary>
    private static readonly (ushort Type, uint Selector, int Length)[] All =
    [
        (0x100, 0, 16),
        (0x101, 0, 16),
        (0x102, 18, 2),
        (0x102, 60, 2),
        (0x102, 62, 2),
        (0x103, 0, 1),
        (0x104, 0, 32),
        (0x104, 1, 32),
        (0x105, 0, 8),
        (0x105, 1, 8),
    ];

    [Fact]
    [Clause("admin-vq.dev.040", "admin-vq.dev.041", "admin-vq.dev.062", "admin-vq.dev.063", "admin-vq.dev.064")]
    public void Get_OfAllParts_IsInTheOrderOfTheTable()
    {
        using AdminBench bench = NewBench();

        List<Part> parts = Get(bench);

        Assert.Equal(All, parts.Select(static part => (part.Type, part.Selector, part.Value.Length)));
        Assert.Equal([1, .. Enumerable.Repeat((byte)0, All.Length - 1)], parts.Select(static part => part.Flags));
        Assert.Equal(bench.Function.Lifecycle.Offered.Low, BitConverter.ToUInt64(parts[0].Value));
        Assert.Equal(bench.Function.Lifecycle.Negotiated.Low, BitConverter.ToUInt64(parts[1].Value));
        Assert.Equal([0x0f], parts[5].Value);
        Assert.Equal(QueueOf(OwnAreas(0)), parts[6].Value);
        Assert.Equal(parts.SelectMany(static part => part.Value), Get(bench).SelectMany(static part => part.Value));
    }

    [Fact]
    [Clause("admin-vq.drv.020", "admin-vq.drv.021")]
    public void Metadata_OfAllParts_SaysSizeCountAndHeaders()
    {
        using AdminBench bench = NewBench();
        byte[] parts = bench.Do(0xf, [.. ObjectHeader(Getter), .. Bytes(1ul)]).Result;
        uint size = (uint)All.Sum(static part => 16 + part.Length);

        Assert.Equal(Bytes((ulong)size), Metadata(bench, 0).Result);
        Assert.Equal(Bytes((ulong)All.Length), Metadata(bench, 1).Result);
        byte[] list = Metadata(bench, 2).Result;
        Assert.Equal(Bytes((ulong)All.Length), list[..8]);
        Assert.Equal(8 + 16 * All.Length, list.Length);
        Assert.Equal(parts[..16], list[8..24]);
        Assert.InRange(parts.Length - (int)size, 0, 7);
        Assert.Equal(NoMemory, Metadata(bench, 2, room: (uint)list.Length - 1).Status);
        Assert.Equal(Invalid, Metadata(bench, 3).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.041", "admin-vq.dev.061")]
    public void Get_OfSelectedParts_SkipsThoseThatAreNotThere()
    {
        using AdminBench bench = NewBench();
        byte[] wanted = [.. Header(0x104, 1), .. Header(0x104, 2), .. Header(0x106, 0), .. Header(0x100, 0)];

        List<Part> parts = Parse(bench.Do(0xf, [.. ObjectHeader(Getter), .. Bytes(0ul), .. wanted]).Result);

        Assert.Equal([(0x100, 0u), (0x104, 1u)], parts.Select(static part => ((int)part.Type, part.Selector)));
        Assert.Equal(Invalid, bench.Do(0xf, [.. ObjectHeader(Getter), .. Bytes(2ul)]).Status);
    }

    [Fact]
    public void Objects_ForOnePurpose_DoNotServeTheOther()
    {
        using AdminBench bench = NewBench();

        Assert.Equal(Invalid, bench.Do(0xf, [.. ObjectHeader(Setter), .. Bytes(1ul)]).Status);
        Assert.Equal(Invalid, bench.Do(0xe, ObjectHeader(Setter)).Status);
        Assert.Equal(Ok, Stop(bench));
        Assert.Equal(Invalid, bench.Do(0x10, ObjectHeader(Getter)).Status);
        Assert.Equal(Ok, bench.Do(0x10, ObjectHeader(Setter)).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.042", "admin-vq.drv.017")]
    public void Set_OfARunningDevice_IsBusy()
    {
        using AdminBench bench = NewBench();

        Assert.Equal(Busy, Set(bench, QueueConfig, 0, QueueOf(OwnAreas(0))));
    }

    [Fact]
    [Clause(
        "admin-vq.dev.047",
        "admin-vq.dev.048",
        "admin-vq.dev.049",
        "admin-vq.dev.050",
        "admin-vq.dev.051",
        "admin-vq.dev.053",
        "admin-vq.dev.058",
        "admin-vq.dev.059"
    )]
    public void Mode_StoppedAndResumed_StopsTheDevicesQueuesOnly()
    {
        using AdminBench bench = NewBench();
        bench.Device.StateAtStop = new(5, 5);
        Assert.Equal(Ok, Resume(bench));
        Assert.Equal([0], bench.Device.Running);

        Assert.Equal(Ok, Stop(bench));
        Assert.Empty(bench.Device.Running);
        Assert.Equal(Ok, Stop(bench));
        bench.Driver.Kick(0);
        Assert.True(bench.Driver.IsQueueEnabled(0));
        Assert.Equal(0x1af4u, bench.Access.Config(0, 2));
        bench.EnableOwnQueue(1);
        Assert.Empty(bench.Device.Running);

        Assert.Equal(Ok, Resume(bench));
        Assert.Equal([0, 1], bench.Device.Running.Order());
        Assert.Equal(new QueueState(5, 5), bench.Device.Started.Last(static setup => setup.Index == 0).State);
        Assert.Equal(Ok, Resume(bench));
        Assert.Equal(Invalid, bench.Do(0x11, [2]).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.054")]
    public void ConfigChange_OfAStoppedDevice_IsAnnouncedWhenItGoesOn()
    {
        using AdminBench bench = NewBench();
        Assert.Equal(Ok, Stop(bench));
        bench.Driver.TakeInterruptStatus();

        bench.Device.Host.NotifyConfigChanged();
        Assert.Equal(0, bench.Driver.TakeInterruptStatus() & 2);

        Assert.Equal(Ok, Resume(bench));
        Assert.Equal(2, bench.Driver.TakeInterruptStatus() & 2);
    }

    [Fact]
    [Clause("admin-vq.dev.043", "admin-vq.dev.060")]
    public void Set_AfterAReset_BringsQueuesBackToWhereTheyWere()
    {
        using AdminBench bench = NewBench();
        Assert.Equal(Ok, Stop(bench));
        List<Part> saved = Get(bench);
        // The device had used five buffers.
        byte[] used = [5, 0];
        Assert.True(bench.Memory.TryWrite(new(OwnAreas(0).Device.Value + 2), used));
        bench.Begin();
        Prepare(bench);
        Assert.Empty(bench.Device.Running);
        Assert.Equal(Ok, Stop(bench));
        byte[] all = [.. saved.SelectMany(static part => part.ToBytes()), 0, 0, 0];

        Assert.Equal(Ok, bench.Do(0x10, [.. ObjectHeader(Setter), .. all]).Status);
        Assert.Equal(Ok, bench.Do(0x10, [.. ObjectHeader(Setter), .. all]).Status);
        Assert.Empty(bench.Device.Running);
        Assert.Equal(Ok, Resume(bench));

        Assert.Equal([0], bench.Device.Running);
        QueueSetupIs(bench, OwnAreas(0), new(5, 5));
    }

    [Fact]
    public void Set_OfAQueueAsItIs_LeavesItWhereItStands()
    {
        using AdminBench bench = NewBench();
        bench.Device.StateAtStop = new(9, 8);
        Assert.Equal(Ok, Stop(bench));

        Assert.Equal(Ok, Set(bench, QueueConfig, 0, QueueOf(OwnAreas(0))));
        Assert.Equal(Ok, Resume(bench));

        QueueSetupIs(bench, OwnAreas(0), new(9, 8));
    }

    [Theory]
    [InlineData(0x100, 0)]
    [InlineData(0x101, 0)]
    [InlineData(0x102, 18)]
    [InlineData(0x103, 0)]
    [InlineData(0x105, 1)]
    [Clause("admin-vq.dev.045", "admin-vq.dev.066", "admin-vq.dev.073")]
    public void Set_OfWhatTheQueueStandsOn_ComparesOnly(ushort type, uint selector)
    {
        using AdminBench bench = NewBench();
        Assert.Equal(Ok, Stop(bench));
        byte[] value = Get(bench).Single(part => part.Type == type && part.Selector == selector).Value;

        Assert.Equal(Ok, Set(bench, type, selector, value));
        value[0] ^= 1;
        Assert.Equal(Invalid, Set(bench, type, selector, value));
        Assert.Equal(
            DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk,
            bench.Driver.Status
        );
    }

    [Fact]
    [Clause("admin-vq.dev.044", "admin-vq.dev.073")]
    public void Set_WithOneWrongPart_ChangesNothing()
    {
        using AdminBench bench = NewBench();
        Assert.Equal(Ok, Stop(bench));
        byte[] other = QueueOf(OwnAreas(1));
        byte[] good = [.. Header(QueueConfig, 0, 32), .. other];
        byte[][] wrong =
        [
            [.. Header(QueueConfig, 1, 31), .. other],
            [.. Header(QueueConfig, 1, 33), .. other],
            [.. Header(QueueConfig, 1, uint.MaxValue), .. other],
            [.. Header(QueueConfig, 2, 32), .. other],
            [.. Header(QueueConfig, 1, 32), .. other[..24]],
            [.. Header(0x106, 0, 32), .. other],
            [.. Header(QueueConfig, 1, 32), .. QueueOf(OwnAreas(1) with { Size = 0 })],
            [.. Header(QueueConfig, 1, 32), .. QueueOf(OwnAreas(1) with { Size = 32 })],
            [.. Header(QueueConfig, 1, 32), .. QueueOf(OwnAreas(1) with { Size = 6 })],
            [.. Header(QueueConfig, 1, 32), .. QueueOf(OwnAreas(1), enabled: 2)],
            [.. Header(QueueConfig, 1, 32), .. QueueOf(OwnAreas(1), vector: 99)],
        ];

        Assert.All(
            wrong,
            part => Assert.Equal(Invalid, bench.Do(0x10, [.. ObjectHeader(Setter), .. good, .. part]).Status)
        );
        Assert.Equal(QueueOf(OwnAreas(0)), Get(bench)[6].Value);
        Assert.Equal(Ok, bench.Do(0x10, [.. ObjectHeader(Setter), .. good]).Status);
        Assert.Equal(other, Get(bench)[6].Value);
    }

    [Fact]
    public void Reset_OfAStoppedDevice_LetsItRunAgain()
    {
        using AdminBench bench = NewBench();
        Assert.Equal(Ok, Stop(bench));

        bench.Begin();
        bench.EnableOwnQueue();

        Assert.Equal([0], bench.Device.Running);
    }

    [Fact]
    public void State_OfAFunction_HoldsWhatItsDriverSetUp()
    {
        using AdminBench bench = NewBench();
        bench.Device.StateAtStop = new(3, 3);
        Assert.Equal(Ok, Stop(bench));
        bench.Function.Lifecycle.Hold();
        byte[] state = bench.Function.Save();

        bench.Function.Load(state);
        bench.Function.Lifecycle.Release();

        Assert.Empty(bench.Device.Running);
        Assert.Equal(Ok, Resume(bench));
        QueueSetupIs(bench, OwnAreas(0), new(3, 3));
        Assert.Equal(Bytes(1ul), bench.Do(0xc, ObjectHeader(Setter)).Result);
    }

    private static AdminBench NewBench()
    {
        AdminBench bench = new();
        bench.EnableOwnQueue();
        Prepare(bench);
        return bench;
    }

    private static void Prepare(AdminBench bench)
    {
        bench.WithObjects();
        Assert.Equal(Ok, bench.Create(Getter, 0));
        Assert.Equal(Ok, bench.Create(Setter, 1));
    }

    private static ushort Stop(AdminBench bench) => bench.Do(0x11, [1]).Status;

    private static ushort Resume(AdminBench bench) => bench.Do(0x11, [0]).Status;

    private static Answer Metadata(AdminBench bench, byte type, uint room = 4096) =>
        bench.Do(0xe, [.. ObjectHeader(Getter), .. Bytes((ulong)type)], room: room);

    private static List<Part> Get(AdminBench bench) =>
        Parse(bench.Do(0xf, [.. ObjectHeader(Getter), .. Bytes(1ul)]).Result);

    private static ushort Set(AdminBench bench, ushort type, uint selector, byte[] value) =>
        bench.Do(0x10, [.. ObjectHeader(Setter), .. Header(type, selector, (uint)value.Length), .. value]).Status;

    private static byte[] Header(ushort type, uint selector, uint length = 0) =>
        [.. Bytes(type), 0, 0, .. Bytes((ulong)selector), .. Bytes(length)];

    private static byte[] QueueOf(QueueAreas areas, ushort vector = 0xffff, ushort enabled = 1) =>
        [
            .. Bytes(areas.Size),
            .. Bytes(vector),
            .. Bytes(enabled),
            0,
            0,
            .. Bytes(areas.Descriptors.Value),
            .. Bytes(areas.Driver.Value),
            .. Bytes(areas.Device.Value),
        ];

    private static void QueueSetupIs(AdminBench bench, QueueAreas areas, QueueState state)
    {
        Assert.Equal(areas, bench.Device.Started[^1].Areas);
        Assert.Equal(state, bench.Device.Started[^1].State);
    }

    private static List<Part> Parse(byte[] bytes)
    {
        List<Part> parts = [];
        int at = 0;
        while (at + 16 <= bytes.Length)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 12));
            parts.Add(
                new(
                    BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at)),
                    bytes[at + 2],
                    BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 4)),
                    bytes[(at + 16)..(at + 16 + length)]
                )
            );
            at += 16 + length;
        }

        return parts;
    }

    private sealed record Part(ushort Type, byte Flags, uint Selector, byte[] Value)
    {
        public byte[] ToBytes() => [.. Header(Type, Selector, (uint)Value.Length), .. Value];
    }
}
