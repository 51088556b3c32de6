using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Vhost.Vdpa;
using Vireo.Linux.Events;
using Vireo.Tests.Homes.Vduse;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.Vhost;

/// <summary>The proxy on one side of the bus and a VDUSE home on the other, both ours, in one process.</summary>
public sealed class VhostVdpaProxyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly GuestRam _ram = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly RecordingHost _host = new();
    private readonly VduseUnderTest _home;
    private readonly FakeBus _bus;
    private readonly VhostVdpaProxy _proxy;

    public VhostVdpaProxyTests()
    {
        _home = new VduseUnderTest(_folder["state"], _ram).Start();
        _bus = new(_home);
        _proxy = new(_bus, new() { Loop = _loops[0] });
        _proxy.Begin();
        _proxy.Attach(_host, _ram.Memory);
    }

    public void Dispose()
    {
        _bus.IsGone = false;
        _proxy.Dispose();
        _home.Dispose();
        _loops.Dispose();
        _ram.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Traits_AreThoseOfTheDevice()
    {
        Assert.Equal(DeviceType.Console, _proxy.Type);
        Assert.Equal(2, _proxy.Queues.Count);
        Assert.Equal(256, _proxy.Queues[1].SizeMax);
        Assert.Equal(24, _proxy.ConfigLengthBytes);
        Assert.Equal(FeatureSet.Of(ProbeDevice.Feature, ProbeDevice.UnusableFeature), _proxy.OfferedFeatures);
        Assert.True(_proxy.RingFeatures.Contains(CoreFeature.IndirectDescriptors));
        Assert.False(_proxy.RingFeatures.Contains(CoreFeature.RingPacked));
    }

    [Fact]
    public void Queue_StartedAndStopped_CarriesRequestsAndSaysWhereItStands()
    {
        using TestRing ring = Ring(0);
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1, ProbeDevice.Feature));
        Start(ring);
        Echo(ring, "one");
        Echo(ring, "two");

        QueueState? state = _proxy.StopQueue(0);

        Assert.Equal((ushort)2, state!.Value.AvailableIndex);
        Assert.Null(_proxy.StopQueue(0));
        Assert.True(_home.Device.LastAccepted.Contains(CoreFeature.AccessPlatform));
        Start(ring, state.Value);
        Echo(ring, "three");
    }

    [Fact]
    public void Queue_StartedBesideOneThatRuns_BothGoOn()
    {
        using TestRing first = Ring(0);
        using TestRing second = Ring(1);
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(first);
        Echo(first, "alone");

        Start(second);

        Echo(first, "in company");
        Echo(second, "the company");
        Assert.Equal((ushort)2, _proxy.StopQueue(0)!.Value.AvailableIndex);
        Echo(second, "alone in turn");
        Assert.Contains(_bus.Commands, static command => command is "ring 0 at 1");
    }

    [Fact]
    public void Attach_OtherMemory_IsMappedInPlaceOfTheFirst()
    {
        using TestRing ring = Ring(0);
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(ring);
        Assert.Single(_bus.Mapped);
        Assert.True(_bus.Mapped[0].IsWritable);
        _proxy.StopQueue(0);

        _proxy.Attach(_host, new MappedMemory([]));

        Assert.Empty(_bus.Mapped);
    }

    [Fact]
    public void StartQueue_TranslatedMemory_IsRefused()
    {
        using TestRing ring = Ring(0);
        _proxy.Attach(_host, new TranslatedMemory(new Iotlb(static (_, _) => { }), _ram.Memory));
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1));

        DeviceException refusal = Assert.Throws<DeviceException>(() => Start(ring));

        Assert.Contains("translated", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StartQueue_KickThatIsNoDescriptor_IsRefused()
    {
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1));

        DeviceException refusal = Assert.Throws<DeviceException>(() =>
            _proxy.StartQueue(new(0, GuestRam.Areas(0, 16), QueueState.Fresh, new LoopSignal(), null))
        );

        Assert.Contains("kick of queue 0", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StartQueue_BeforeFeatures_IsRefused()
    {
        using TestRing ring = Ring(0);

        Assert.Throws<DeviceException>(() => Start(ring));
    }

    [Fact]
    public void Accept_FeaturesTheDeviceRefuses_IsRefused()
    {
        DeviceException refusal = Assert.Throws<DeviceException>(() =>
            _proxy.Accept(FeatureSet.Of(CoreFeature.Version1, ProbeDevice.UnusableFeature))
        );

        Assert.Contains("does not work with features", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bus_ThatRefuses_IsADeviceException()
    {
        _bus.IsGone = true;

        DeviceException refusal = Assert.Throws<DeviceException>(() => _proxy.ReadConfig(0, new byte[4]));

        Assert.Contains("ENODEV", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Config_ReadPastItsEnd_IsZeroThere()
    {
        byte[] bytes = new byte[8];

        _proxy.ReadConfig(20, bytes);

        Assert.Equal([20, 21, 22, 23, 0, 0, 0, 0], bytes);
        Assert.Contains(_bus.Commands, static command => command is "read 4 at 20");
        _proxy.WriteConfig(22, [9, 9, 9, 9]);
        _proxy.ReadConfig(20, bytes);
        Assert.Equal([20, 21, 9, 9, 0, 0, 0, 0], bytes);
        _proxy.ReadConfig(24, bytes);
        Assert.Equal(new byte[8], bytes);
    }

    [Fact]
    public void Config_ChangeOnTheBus_IsToldToTheHome()
    {
        using TestRing ring = Ring(0);
        _proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Start(ring);

        // The bus has a number of the proxy's own descriptor, as the kernel has.
        RandomAccess.Write(_bus.ConfigCall!, BitConverter.GetBytes(1ul), fileOffset: 0);

        Assert.True(SpinWait.SpinUntil(() => _host.ConfigChanges > 0, FakeVduse.Patience));
    }

    private static FeatureSet Features => FeatureSet.Of(CoreFeature.Version1);

    private TestRing Ring(int index) => new(_ram, index, 16, Features);

    private void Start(TestRing ring, QueueState? state = null) =>
        _proxy.StartQueue(
            new(
                (int)ring.Index,
                GuestRam.Areas((int)ring.Index, ring.Size),
                state ?? QueueState.Fresh,
                new EventFdSignal(ring.Kick),
                new EventFdSignal(ring.Call)
            )
        );

    /// <summary>Sends a request, with the kick that the bus would pass on.</summary>
    private void Echo(TestRing ring, string text)
    {
        ring.Add(text);
        _home.Kernel.Kicks[ring.Index]!.Signal();
        Assert.Equal(text, ring.Take());
    }
}
