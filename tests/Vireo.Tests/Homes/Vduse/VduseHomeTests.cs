using Vireo.Core.Spec;
using Vireo.Homes.Vduse;
using Vireo.Linux.Vduse;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.Vduse;

public sealed class VduseHomeTests : IDisposable
{
    private const DeviceStatus Negotiated = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;

    private readonly TemporaryFolder _folder = new();
    private readonly GuestRam _ram = new();
    private readonly VduseUnderTest _home;

    public VduseHomeTests() => _home = new(_folder["state"], _ram);

    private FakeVduse Kernel => _home.Kernel;

    public void Dispose()
    {
        _home.Dispose();
        _ram.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData]
    [InlineData(CoreFeature.EventIndex)]
    [InlineData(CoreFeature.RingPacked)]
    [InlineData(CoreFeature.RingPacked, CoreFeature.EventIndex, CoreFeature.IndirectDescriptors)]
    public void Driver_FromStatusToReset_RunsItsQueues(params int[] features)
    {
        _home.Start();
        using TestRing first = Drive(0, features);
        using TestRing second = new(_ram, 1, 16, Features(features));

        Echo(first, "through the door");

        Assert.True(SpinWait.SpinUntil(() => Kernel.CallsOf(0) > 0, FakeVduse.Patience));
        Assert.Equal(0, Kernel.CallsOf(1));
        Assert.Equal(256, Kernel.SizesMax[1]);
        Assert.True(Kernel.SetStatus(DeviceStatus.None).IsGood);
        Assert.False(_home.Home.Session.Lifecycle.HasRunningQueue);
        Assert.Equal(0, _home.Home.Session.Memory.Count);
    }

    [Fact]
    public void Driver_AfterAReset_BeginsAnewInOtherMemory()
    {
        _home.Start();
        using (TestRing ring = Drive(0))
        {
            Echo(ring, "before");
        }

        Kernel.SetStatus(DeviceStatus.None);
        _ram.Bytes.Clear();
        using TestRing again = Drive(0, CoreFeature.RingPacked);

        Echo(again, "after");
    }

    [Fact]
    public void Offered_FeaturesThatAreWithheld_AreNotThere()
    {
        using GuestRam ram = new();
        using VduseUnderTest home = new(_folder["other"], ram, withheld: FeatureSet.Of(ProbeDevice.Feature));

        FeatureSet offered = home.Home.Session.Lifecycle.Offered;

        Assert.False(offered.Contains(ProbeDevice.Feature));
        Assert.True(offered.Contains(CoreFeature.AccessPlatform));
        Assert.True(offered.Contains(CoreFeature.Version1));
    }

    [Fact]
    public void Call_BeforeTheKernelKnowsTheStatus_IsMadeAgain()
    {
        _home.Start();
        Kernel.TakesCalls = false;
        using TestRing ring = Drive(0);
        Echo(ring, "answered, and nobody told the driver");
        Assert.True(SpinWait.SpinUntil(() => Kernel.CallAttempts > 3, FakeVduse.Patience));

        Kernel.TakesCalls = true;

        Assert.True(SpinWait.SpinUntil(() => Kernel.CallsOf(0) == 1, FakeVduse.Patience));
    }

    [Fact]
    public void Call_ThatIsNeverTaken_IsGivenUp()
    {
        _home.Start();
        Kernel.TakesCalls = false;
        using TestRing ring = Drive(0);
        Echo(ring, "answered");

        Assert.True(SpinWait.SpinUntil(() => Kernel.CallAttempts >= VduseCall.TriesMax, FakeVduse.Patience));

        // The device may have called more than once; each call is made again so and so often, and then no more.
        Assert.True(SpinWait.SpinUntil(HaveAttemptsEnded, FakeVduse.Patience));
    }

    [Fact]
    public void Memory_InSeveralMappings_IsAskedForOncePerMapping()
    {
        ulong middle = GuestRam.GuestBase + (1 << 20);
        Kernel.Mappings =
        [
            (GuestRam.GuestBase, middle - 1),
            (middle, middle + 4095),
            (middle + 4096, GuestRam.GuestBase + (ulong)_ram.File.Size - 1),
        ];
        _home.Start();
        using TestRing ring = Drive(0);

        for (int count = 0; count < 40; count++)
        {
            Echo(ring, $"{count}");
        }

        Assert.Equal(3, Kernel.MappingsGiven);
        Assert.Equal(3, _home.Home.Session.Memory.Count);
    }

    [Fact]
    public void UpdateMappings_RequestsInFlight_WaitsForThemAndAsksAnew()
    {
        _home.Start();
        using TestRing ring = Drive(0);
        Echo(ring, "mapped");
        _home.Device.Hold();
        ring.Add("kept");
        Kernel.Kicks[0]!.Signal();
        Assert.True(SpinWait.SpinUntil(() => _home.Device.HeldCount == 1, FakeVduse.Patience));
        Kernel.Send(new(0, VduseRequestKind.UpdateMappings) { First = 0, Last = ulong.MaxValue });
        Assert.False(Kernel.TryTakeAnswer(TimeSpan.FromMilliseconds(50), out _));

        _home.Device.Release(_home.LoopOf(0), 0);

        Assert.True(Kernel.TryTakeAnswer(FakeVduse.Patience, out VduseAnswer answer));
        Assert.True(answer.IsGood);
        Assert.Equal("kept", ring.Take());
        Echo(ring, "mapped again");
        Assert.Equal(2, Kernel.MappingsGiven);
    }

    [Fact]
    public void UpdateMappings_RangeThatNobodyUses_LeavesQueuesAlone()
    {
        _home.Start();
        using TestRing ring = Drive(0);
        Echo(ring, "mapped");

        Assert.True(Kernel.Ask(new(0, VduseRequestKind.UpdateMappings) { First = 0, Last = 4095 }).IsGood);

        Echo(ring, "still mapped");
        Assert.Equal(1, Kernel.MappingsGiven);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void GetQueueState_QueueThatRuns_SaysWhereItStandsAndGoesOn(bool isPacked)
    {
        _home.Start();
        using TestRing ring = Drive(0, isPacked ? [CoreFeature.RingPacked] : []);
        Echo(ring, "one");
        Echo(ring, "two");

        VduseAnswer answer = Kernel.Ask(new(0, VduseRequestKind.GetQueueState, Queue: 0));

        Assert.True(answer.IsGood);
        Assert.Equal(isPacked, answer.Position!.Value.IsPacked);
        // A request of the test's has two descriptors.
        Assert.Equal(isPacked ? 4 : 2, answer.Position.Value.AvailableIndex);
        Echo(ring, "three");
    }

    [Fact]
    public void GetQueueState_QueueThatDoesNotRun_SaysWhereItWouldBegin()
    {
        _home.Start();
        Kernel.Queues[1] = Kernel.Queues[1] with { Split = new(IsPacked: false, 77) };

        VduseAnswer answer = Kernel.Ask(new(0, VduseRequestKind.GetQueueState, Queue: 1));

        Assert.Equal(77, answer.Position!.Value.AvailableIndex);
        Assert.Equal(1u, answer.Queue);
    }

    [Fact]
    public void Config_Changes_AreWrittenAndTold()
    {
        _home.Start();
        _home.Device.WriteConfig(0, [0xaa]);

        _home.Device.ChangeConfig();

        Assert.True(SpinWait.SpinUntil(() => Kernel.ConfigCalls == 1, FakeVduse.Patience));
        Assert.True(Kernel.ConfigWrites.TryDequeue(out (int Offset, byte[] Bytes) write));
        Assert.Equal(0, write.Offset);
        Assert.Equal(24, write.Bytes.Length);
        Assert.Equal(0xaa, write.Bytes[0]);
    }

    [Fact]
    public void SetStatus_FeaturesNeverOffered_IsRefusedAndCanBeTriedAgain()
    {
        _home.Start();
        Kernel.DriverFeatures = FeatureSet.Of(CoreFeature.Version1, 50).Low;

        Assert.False(Kernel.SetStatus(Negotiated).IsGood);

        Assert.True(_home.Log.Holds("refused"));
        Kernel.SetStatus(DeviceStatus.None);
        using TestRing ring = Drive(0);
        Echo(ring, "reset and right this time");
    }

    [Fact]
    public void SetStatus_FeaturesTheDeviceDoesNotWorkWith_IsRefused()
    {
        _home.Start();
        Kernel.DriverFeatures = FeatureSet.Of(CoreFeature.Version1, ProbeDevice.UnusableFeature).Low;

        Assert.False(Kernel.SetStatus(Negotiated).IsGood);
    }

    [Fact]
    public void SetStatus_DriverOkBeforeFeaturesOk_IsRefused()
    {
        _home.Start();
        Kernel.SetUp(0, 16);

        Assert.False(Kernel.SetStatus(DeviceStatus.Acknowledge | DeviceStatus.DriverOk).IsGood);

        Assert.False(_home.Home.Session.Lifecycle.HasRunningQueue);
    }

    [Fact]
    public void SetStatus_DriverOkTwice_ChangesNothing()
    {
        _home.Start();
        using TestRing ring = Drive(0);
        Echo(ring, "once");

        Assert.True(Kernel.SetStatus(FakeVduse.All).IsGood);

        Echo(ring, "twice");
    }

    [Fact]
    public void SetStatus_QueueLargerThanTheDeviceTakes_NeedsAReset()
    {
        _home.Start();
        Kernel.SetUp(0, 16);
        Kernel.Queues[0] = Kernel.Queues[0] with { Size = 1 << 17 };
        Kernel.DriverFeatures = Features([]).Low;
        Kernel.SetStatus(Negotiated);

        Assert.False(Kernel.SetStatus(FakeVduse.All).IsGood);

        Assert.True(_home.Log.Holds("131072 descriptors"));
    }

    [Fact]
    public void SetStatus_RingOutsideMemory_NeedsAReset()
    {
        _home.Start();
        Kernel.SetUp(0, 16);
        Kernel.Queues[0] = Kernel.Queues[0] with { Device = ulong.MaxValue - 3 };
        Kernel.DriverFeatures = Features([]).Low;
        Kernel.SetStatus(Negotiated);

        Assert.False(Kernel.SetStatus(FakeVduse.All).IsGood);
    }

    [Fact]
    public void Ring_InMemoryThatMayOnlyBeRead_NeedsAReset()
    {
        _home.Start();
        Kernel.IsReadOnly = true;
        Kernel.SetUp(0, 16);
        Kernel.DriverFeatures = Features([]).Low;
        Kernel.SetStatus(Negotiated);

        Assert.False(Kernel.SetStatus(FakeVduse.All).IsGood);
    }

    [Fact]
    public void Messages_ThatMakeNoSense_AreAnsweredWithAnError()
    {
        _home.Start();

        Assert.False(Kernel.Ask(new(0, (VduseRequestKind)77)).IsGood);
        Assert.False(Kernel.Ask(new(0, VduseRequestKind.GetQueueState, Queue: 2)).IsGood);
        Assert.False(Kernel.Ask(new(0, VduseRequestKind.GetQueueState, Queue: uint.MaxValue)).IsGood);
        Assert.False(Kernel.Ask(new(0, VduseRequestKind.UpdateMappings) { First = 5, Last = 4 }).IsGood);
    }

    [Fact]
    public void Kernel_GivesTheDeviceUp_EndsTheHomeWithTheReason()
    {
        _home.Start();

        Kernel.Break();

        _home.Join();
        Assert.Contains("EPERM", _home.Failure, StringComparison.Ordinal);
        Assert.True(Kernel.IsDisposed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Messages_InAnyOrder_AreAllAnswered(int seed)
    {
        Random random = new(seed);
        _home.Start();
        for (int count = 0; count < 3000; count++)
        {
            Disturb(random);
            Kernel.Ask(Any(random));
        }

        Kernel.SetStatus(DeviceStatus.None);
        Kernel.IsReadOnly = false;
        Kernel.Mappings = [(GuestRam.GuestBase, GuestRam.GuestBase + (ulong)_ram.File.Size - 1)];
        _ram.Bytes.Clear();
        using TestRing ring = Drive(0);
        Echo(ring, $"as if nothing had been (seed {seed})");
    }

    private static FeatureSet Features(int[] features) => FeatureSet.Of(features).With(CoreFeature.Version1);

    private bool HaveAttemptsEnded()
    {
        int before = Kernel.CallAttempts;
        Thread.Sleep(200);
        return Kernel.CallAttempts == before;
    }

    private TestRing Drive(int index, params int[] features)
    {
        FeatureSet accepted = Features(features);
        TestRing ring = new(_ram, index, 16, accepted);
        Kernel.Queues[1 - index] = default;
        Kernel.SetUp(index, 16);
        Kernel.Drive(accepted);
        return ring;
    }

    /// <summary>Sends a request with the kernel's kick and expects the same text back.</summary>
    private void Echo(TestRing ring, string text)
    {
        ring.Add(text);
        Kernel.Kicks[ring.Index]!.Signal();
        Assert.Equal(text, ring.Take());
    }

    private void Disturb(Random random)
    {
        int index = random.Next(2);
        switch (random.Next(6))
        {
            case 0:
                Kernel.DriverFeatures = random.Next(3) == 0 ? (ulong)random.NextInt64() : Features([]).Low;
                break;
            case 1:
                Kernel.SetUp(index, (ushort)random.Next(1, 300));
                break;
            case 2:
                Kernel.Queues[index] = new(
                    random.Next(2) == 0,
                    (uint)random.Next(0, 1 << 17),
                    Address(random),
                    Address(random),
                    Address(random)
                );
                break;
            case 3:
                random.NextBytes(_ram.Bytes[..0x2_0000]);
                break;
            case 4:
                ulong first = GuestRam.GuestBase + (ulong)random.Next(0, 64) * 4096;
                Kernel.Mappings = [(first, first + (ulong)random.Next(1, 64) * 4096 - 1)];
                Kernel.IsReadOnly = random.Next(8) == 0;
                break;
            default:
                Kernel.Kicks[index]?.Signal();
                break;
        }
    }

    private static ulong Address(Random random) =>
        random.Next(4) == 0 ? (ulong)random.NextInt64() : GuestRam.GuestBase + (ulong)random.Next(0, 1 << 20);

    private static VduseRequest Any(Random random) =>
        random.Next(8) switch
        {
            0 => new(0, (VduseRequestKind)random.Next()),
            1 => new(0, VduseRequestKind.GetQueueState, Queue: (uint)random.Next(0, 4)),
            2 => new(0, VduseRequestKind.UpdateMappings) { First = Address(random), Last = Address(random) },
            3 => new(0, VduseRequestKind.UpdateMappings) { First = 0, Last = ulong.MaxValue },
            4 => new(0, VduseRequestKind.SetStatus, Status: (byte)random.Next(256)),
            5 => new(0, VduseRequestKind.SetStatus, Status: 0),
            6 => new(0, VduseRequestKind.SetStatus, Status: (byte)Negotiated),
            _ => new(0, VduseRequestKind.SetStatus, Status: (byte)FakeVduse.All),
        };
}
