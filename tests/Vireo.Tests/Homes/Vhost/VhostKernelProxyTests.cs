using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux;
using Vireo.Linux.Vhost;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.Vhost;

public sealed class VhostKernelProxyTests : IDisposable
{
    private readonly GuestRam _ram = new();
    private readonly FakeKernel _kernel = new();
    private readonly TestRing _ring;

    public VhostKernelProxyTests() => _ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));

    public void Dispose()
    {
        _ring.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Traits_AreTheDescriptionAndWhatTheKernelOffers()
    {
        using VhostKernelProxy proxy = Open(new VhostSocketRings(42));
        byte[] config = new byte[4];

        proxy.ReadConfig(1, config);

        Assert.Equal([2, 3, 0, 0], config);
        Assert.Equal(FeatureSet.Of(1, 5), proxy.OfferedFeatures);
        Assert.Equal(FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex), proxy.RingFeatures);
    }

    [Fact]
    public void Features_Above64_AreOfferedUnlessWithheld()
    {
        _kernel.HighFeatures = 0b110;
        using VhostKernelProxy proxy = Open(new VhostSocketRings(42), FeatureSet.Of(66));

        proxy.Accept(FeatureSet.Of(CoreFeature.Version1, 65));

        Assert.Equal(FeatureSet.Of(1, 5, 65), proxy.OfferedFeatures);
        Assert.Equal(["features 20000000100000000"], _kernel.Commands);
    }

    [Fact]
    public void TapRings_StartAndStop_AreGivenTheTap()
    {
        using VhostKernelProxy proxy = Open(new VhostTapRings(_ram.File.Handle));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1, 1, 5));

        Start(proxy, 0);
        Start(proxy, 1);
        QueueState? state = proxy.StopQueue(1);

        Assert.Equal(
            [
                "features 100000002",
                "memory 1",
                "ring 0 at 0",
                "backend 0 tap",
                "ring 1 at 0",
                "backend 1 tap",
                "backend 1 none",
            ],
            _kernel.Commands
        );
        Assert.Equal((ushort)7, state!.Value.AvailableIndex);
    }

    [Fact]
    public void SocketRings_RunWhenBothAreThere_AndTheThirdIsNobodys()
    {
        using VhostKernelProxy proxy = Open(new VhostSocketRings(42));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(proxy, 0);
        Start(proxy, 2);
        Assert.DoesNotContain(_kernel.Commands, static command => command is "running");

        Start(proxy, 1);
        Assert.Equal(["cid 42", "running"], _kernel.Commands[^2..]);

        proxy.StopQueue(0);
        proxy.StopQueue(1);
        QueueState? third = proxy.StopQueue(2);
        Assert.Equal(1, _kernel.Commands.Count(static command => command is "stopped"));
        Assert.Equal(QueueState.Fresh, third);
    }

    [Fact]
    public void ScsiRings_EachStartAndStop_GivesTheTargetToThoseThatRun()
    {
        using VhostKernelProxy proxy = Open(new VhostScsiRings("naa.1", requestRings: 1));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(proxy, 2);
        Start(proxy, 0);
        QueueState? state = proxy.StopQueue(2);
        proxy.StopQueue(0);

        Assert.Equal(
            [
                "features 100000000",
                "memory 1",
                "ring 2 at 0",
                "target naa.1",
                // The kernel lets no ring be set up while it has a target.
                "no target naa.1",
                "ring 0 at 0",
                "target naa.1",
                "no target naa.1",
                "no kicks for 2",
                "target naa.1",
                "no target naa.1",
                "no kicks for 0",
            ],
            _kernel.Commands
        );
        Assert.Equal((ushort)7, state!.Value.AvailableIndex);
    }

    [Fact]
    public void Rings_ThatWereKickedBeforeTheyRan_AreKickedAgain()
    {
        using VhostKernelProxy proxy = Open(new VhostScsiRings("naa.1", requestRings: 1));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(proxy, 2);
        Assert.True(_ring.Kick.TryDrain());

        Start(proxy, 0);

        Assert.True(_ring.Kick.TryDrain());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(VhostScsiRings.TargetBytesMax + 1)]
    public void ScsiTarget_NameTheKernelHasNoRoomFor_IsRefused(int length) =>
        Assert.ThrowsAny<ArgumentException>(() => new VhostScsiRings(new('x', length), requestRings: 1));

    [Theory]
    [InlineData(0)]
    [InlineData(VhostScsiRings.RequestRingsMax + 1)]
    public void ScsiRings_AsManyAsTheKernelHasNot_AreRefused(int count) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new VhostScsiRings("naa.1", count));

    [Fact]
    public void Reset_StopsAllAndBeginsAnew()
    {
        using VhostKernelProxy proxy = Open(new VhostSocketRings(42));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(proxy, 0);
        Start(proxy, 1);

        proxy.Reset();

        Assert.Equal("stopped", _kernel.Commands[^1]);
        Assert.Throws<DeviceException>(() => Start(proxy, 0));
    }

    [Fact]
    public void StartQueue_RingOutsideMemory_IsRefused()
    {
        using VhostKernelProxy proxy = Open(new VhostSocketRings(42));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        QueueAreas areas = GuestRam.Areas(0, 16) with { Device = new(8) };

        DeviceException refusal = Assert.Throws<DeviceException>(() =>
            proxy.StartQueue(new(0, areas, QueueState.Fresh, null, null))
        );

        Assert.Contains("device area at 0x8", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StartQueue_KernelRefuses_IsADeviceException()
    {
        using VhostKernelProxy proxy = Open(new VhostTapRings(_ram.File.Handle));
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        _kernel.IsRefusing = true;

        DeviceException refusal = Assert.Throws<DeviceException>(() => Start(proxy, 0));

        Assert.Contains("EBUSY", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContextId_ThatHasAMeaningOfItsOwn_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => new VhostSocketRings(2));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new VhostSocketRings(uint.MaxValue));
    }

    private VhostKernelProxy Open(IVhostRings rings, FeatureSet withheld = default)
    {
        VhostKernelProxy proxy = new(
            _kernel,
            new()
            {
                Type = DeviceType.Vsock,
                Queues = [new("rx", 128), new("tx", 128), new("event", 128)],
                Config = new byte[] { 1, 2, 3 },
                Features = FeatureSet.Of(5),
                WithheldFeatures = withheld,
                Rings = rings,
            }
        );
        proxy.Attach(new RecordingHost(), _ram.Memory);
        return proxy;
    }

    private void Start(VhostKernelProxy proxy, int index) =>
        proxy.StartQueue(
            new(
                index,
                GuestRam.Areas(index, 16),
                QueueState.Fresh,
                new EventFdSignal(_ring.Kick),
                new EventFdSignal(_ring.Call)
            )
        );

    /// <summary>Writes down what it is told.</summary>
    private sealed class FakeKernel : IVhostKernelDevice
    {
        public List<string> Commands { get; } = [];

        public bool IsRefusing { get; set; }

        /// <summary>Bits 64 and on.</summary>
        public ulong HighFeatures { get; set; }

        public UInt128 ReadFeatures() =>
            new(
                HighFeatures,
                FeatureSet.Of(1, 26, 27, CoreFeature.Version1, CoreFeature.EventIndex, CoreFeature.AccessPlatform).Low
            );

        public void AcceptFeatures(UInt128 features) => Commands.Add($"features {features:x}");

        public void SetRing(int index, in VhostRing ring) => Commands.Add($"ring {index} at {ring.Position}");

        public uint ReadPosition(int index) => 7;

        public void SetKick(int index, SafeFileHandle? kick)
        {
            if (kick is null)
            {
                Commands.Add($"no kicks for {index}");
            }
        }

        public void SetCall(int index, SafeFileHandle? call) => Assert.NotNull(call);

        public void SetMemory(ReadOnlySpan<VhostRegion> regions)
        {
            Commands.Add($"memory {regions.Length}");
            Assert.Equal(GuestRam.GuestBase, regions[0].Address);
        }

        public void SetNetBackend(int index, SafeFileHandle? tap)
        {
            if (IsRefusing)
            {
                throw new LinuxException(Errno.EBUSY, "VHOST_NET_SET_BACKEND");
            }

            Commands.Add($"backend {index} {(tap is null ? "none" : "tap")}");
        }

        public void SetScsiTarget(string target) => Commands.Add($"target {target}");

        public void ClearScsiTarget(string target) => Commands.Add($"no target {target}");

        public void SetContextId(ulong contextId) => Commands.Add($"cid {contextId}");

        public void SetSocketsRunning(bool isRunning) => Commands.Add(isRunning ? "running" : "stopped");

        public void Dispose() { }
    }
}
