using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Vhost.Kernel;
using Vireo.Linux;
using Vireo.Linux.Events;
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
        Assert.Equal(
            FeatureSet.Of(CoreFeature.Version1, CoreFeature.EventIndex, CoreFeature.AccessPlatform),
            proxy.RingFeatures
        );
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
    public void TranslatedMemory_IsAskedForByTheKernel_PageByPage()
    {
        using Driver driver = new(_ram, _kernel);

        // What is missing is asked for, and the ring starts when it has come.
        Assert.True(Assert.Throws<RingException>(() => Start(driver.Proxy, 0)).IsTranslationPending);
        driver.MapAll(MemoryAccess.ReadWrite);
        Start(driver.Proxy, 0);

        Assert.Equal("features 300000002", _kernel.Commands[1]);
        Assert.Equal("memory 0", _kernel.Commands[2]);
        Assert.Equal(GuestRam.Areas(0, 16).Device.Value, _kernel.LastRing.Device);
        Assert.Equal(MemoryAccess.ReadWrite, _kernel.AccessOf(GuestRam.Areas(0, 16).Device.Value));

        ulong buffer = GuestRam.At(GuestRam.BuffersAt).Value;
        driver.Translations.TryMap(new(buffer + 4096), 4096, new(buffer + 4096), MemoryAccess.Read);
        int asked = driver.Asked.Count;
        // All that is allowed, because the kernel does not ask for more where it knows of something; and no more than that.
        _kernel.Miss(buffer + 5, VhostAccess.Read);
        _kernel.WaitFor(buffer, MemoryAccess.ReadWrite);
        _kernel.Miss(buffer + 4096, VhostAccess.Read);
        _kernel.WaitFor(buffer + 4096, MemoryAccess.Read);
        Assert.Equal(_ram.Memory.Regions[0].HostAddress + (nint)GuestRam.BuffersAt, _kernel.HostAddressOf(buffer));
        Assert.Equal(asked, driver.Asked.Count);
    }

    [Fact]
    public void TranslatedMemory_WhatIsRefused_IsNotAnswered()
    {
        using Driver driver = new(_ram, _kernel);
        driver.MapAll(MemoryAccess.Read);
        ulong buffer = GuestRam.At(GuestRam.BuffersAt).Value;

        Assert.True(Assert.Throws<RingException>(() => Start(driver.Proxy, 0)).IsTranslationPending);
        driver.MapAll(MemoryAccess.ReadWrite);
        Start(driver.Proxy, 0);
        driver.Translations.Unmap(new(buffer), 8192);
        _kernel.Miss(buffer, VhostAccess.Read);
        _kernel.Miss(buffer + 8192, VhostAccess.Read);
        _kernel.WaitFor(buffer + 8192, MemoryAccess.ReadWrite);

        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(buffer));
        Assert.Contains(new(buffer), driver.Asked);
    }

    [Fact]
    public void TranslatedMemory_RingsHaveStopped_NothingIsLeftOfIt()
    {
        using Driver driver = new(_ram, _kernel);
        driver.MapAll(MemoryAccess.ReadWrite);
        Start(driver.Proxy, 0);
        ulong buffer = GuestRam.At(GuestRam.BuffersAt).Value;
        _kernel.Miss(buffer, VhostAccess.Read);
        _kernel.WaitFor(buffer, MemoryAccess.ReadWrite);

        driver.Proxy.StopQueue(0);
        _kernel.Miss(buffer + 4096, VhostAccess.Read);
        Assert.True(SpinWait.SpinUntil(() => !_kernel.HasMisses, TimeSpan.FromSeconds(20)));
        Start(driver.Proxy, 0);

        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(buffer));
        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(buffer + 4096));
        // Memory that is not translated comes to a kernel that goes on asking.
        driver.Proxy.StopQueue(0);
        driver.Proxy.Attach(new RecordingHost(), _ram.Memory);
        Start(driver.Proxy, 0);
        _kernel.Miss(buffer, VhostAccess.Read);
        _kernel.WaitFor(buffer, MemoryAccess.ReadWrite);
    }

    [Fact]
    public void TranslatedMemory_ThatBeginsAndEndsWithinPages_IsToldAsFarAsItGoes()
    {
        using Driver driver = new(_ram, _kernel);
        driver.MapAll(MemoryAccess.ReadWrite);
        ulong used = GuestRam.Areas(0, 16).Device.Value;
        ulong end = used + (ulong)SplitRing.UsedBytes(16);
        ulong buffer = GuestRam.At(GuestRam.BuffersAt).Value;
        // The ring ends its memory, as one of the vDPA bus does; and there is a piece with its ends in one page.
        driver.Attach(Part(_ram, GuestRam.GuestBase, end - GuestRam.GuestBase), Part(_ram, buffer + 100, 50));

        Start(driver.Proxy, 0);
        _kernel.Miss(buffer + 120, VhostAccess.Read);
        _kernel.WaitFor(buffer + 149, MemoryAccess.ReadWrite);

        Assert.Equal(MemoryAccess.ReadWrite, _kernel.AccessOf(used));
        Assert.Equal(MemoryAccess.ReadWrite, _kernel.AccessOf(end - 1));
        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(end));
        Assert.Equal(MemoryAccess.ReadWrite, _kernel.AccessOf(buffer + 100));
        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(buffer + 99));
        Assert.Equal(MemoryAccess.None, _kernel.AccessOf(buffer + 150));
    }

    [Fact]
    public void TranslatedMemory_AreaThatWraps_IsRefused()
    {
        using Driver driver = new(_ram, _kernel);
        driver.MapAll(MemoryAccess.ReadWrite);
        QueueAreas areas = GuestRam.Areas(0, 16) with { Device = new(ulong.MaxValue - 3) };

        DeviceException refusal = Assert.Throws<DeviceException>(() =>
            driver.Proxy.StartQueue(new(0, areas, QueueState.Fresh, null, null))
        );

        Assert.Contains("device area", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TranslatedMemory_KernelThatCannotAsk_IsRefused()
    {
        _kernel.CanTranslate = false;
        using Driver driver = new(_ram, _kernel);
        driver.MapAll(MemoryAccess.ReadWrite);

        DeviceException refusal = Assert.Throws<DeviceException>(() => Start(driver.Proxy, 0));

        Assert.Contains("translated", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContextId_ThatHasAMeaningOfItsOwn_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => new VhostSocketRings(2));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new VhostSocketRings(uint.MaxValue));
    }

    private static MemoryRegion Part(GuestRam ram, ulong address, ulong lengthBytes) =>
        new(new(address), lengthBytes, ram.Memory.Regions[0].HostAddress + (nint)(address - GuestRam.GuestBase));

    private VhostKernelProxy Open(IVhostRings rings, FeatureSet withheld = default)
    {
        VhostKernelProxy proxy = Describe(_kernel, rings, withheld);
        proxy.Attach(new RecordingHost(), _ram.Memory);
        return proxy;
    }

    private static VhostKernelProxy Describe(FakeKernel kernel, IVhostRings rings, FeatureSet withheld) =>
        new(
            kernel,
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

    /// <summary>A proxy for a driver behind an I/O translation of which each mapping is made by hand.</summary>
    private sealed class Driver : IDisposable
    {
        private readonly GuestRam _ram;

        public Driver(GuestRam ram, FakeKernel kernel)
        {
            _ram = ram;
            Translations = new((address, _) => Asked.Add(address));
            Proxy = Describe(kernel, new VhostTapRings(ram.File.Handle), FeatureSet.Empty);
            Proxy.Attach(new RecordingHost(), new TranslatedMemory(Translations, ram.Memory));
            Proxy.Accept(FeatureSet.Of(CoreFeature.Version1, CoreFeature.AccessPlatform, 1));
        }

        public VhostKernelProxy Proxy { get; }

        public Iotlb Translations { get; }

        public ConcurrentBag<GuestAddress> Asked { get; } = [];

        /// <summary>Gives the driver other memory behind the same translation.</summary>
        public void Attach(params MemoryRegion[] regions) =>
            Proxy.Attach(new RecordingHost(), new TranslatedMemory(Translations, new MappedMemory(regions)));

        public void MapAll(MemoryAccess access) =>
            Assert.True(
                Translations.TryMap(new(GuestRam.GuestBase), (ulong)_ram.File.Size, new(GuestRam.GuestBase), access)
            );

        public void Dispose() => Proxy.Dispose();
    }

    /// <summary>Writes down what it is told.</summary>
    private sealed class FakeKernel : IVhostKernelDevice
    {
        private readonly EventFd _missed = EventFd.Create();
        private readonly ConcurrentQueue<(ulong Address, VhostAccess Access)> _misses = new();
        private readonly Lock _gate = new();
        private readonly List<VhostTranslation> _translations = [];

        public List<string> Commands { get; } = [];

        /// <summary>Whether it offers to ask for translations.</summary>
        public bool CanTranslate { get; set; } = true;

        public VhostRing LastRing { get; private set; }

        public SafeFileHandle Misses => _missed.Handle;

        public bool HasMisses => !_misses.IsEmpty;

        public void UseTranslations() => Assert.True(CanTranslate);

        public void Miss(ulong address, VhostAccess access)
        {
            _misses.Enqueue((address, access));
            _missed.Signal();
        }

        public bool TryReadMiss(out ulong address, out VhostAccess access)
        {
            _missed.TryDrain();
            bool isMissed = _misses.TryDequeue(out (ulong Address, VhostAccess Access) miss);
            (address, access) = miss;
            return isMissed;
        }

        public void Translate(in VhostTranslation translation)
        {
            lock (_gate)
            {
                ulong first = translation.Address;
                ulong end = first + translation.LengthBytes;
                Assert.DoesNotContain(
                    _translations,
                    known => known.Address < end && first < known.Address + known.LengthBytes
                );
                _translations.Add(translation);
            }
        }

        public void ForgetTranslations(ulong address, ulong lengthBytes)
        {
            lock (_gate)
            {
                ulong last = lengthBytes - 1 > ulong.MaxValue - address ? ulong.MaxValue : address + (lengthBytes - 1);
                _translations.RemoveAll(known =>
                    known.Address <= last && address <= known.Address + (known.LengthBytes - 1)
                );
            }
        }

        public MemoryAccess AccessOf(ulong address) => (MemoryAccess)Find(address).Access;

        public nint HostAddressOf(ulong address) => Find(address).HostAddress;

        public void WaitFor(ulong address, MemoryAccess access) =>
            Assert.True(SpinWait.SpinUntil(() => AccessOf(address) == access, TimeSpan.FromSeconds(20)));

        private VhostTranslation Find(ulong address)
        {
            lock (_gate)
            {
                return _translations.Find(known =>
                    address >= known.Address && address - known.Address < known.LengthBytes
                );
            }
        }

        public bool IsRefusing { get; set; }

        /// <summary>Bits 64 and on.</summary>
        public ulong HighFeatures { get; set; }

        public UInt128 ReadFeatures() =>
            new(
                HighFeatures,
                FeatureSet
                    .Of(1, 26, 27, CoreFeature.Version1, CoreFeature.EventIndex)
                    .WithIf(CoreFeature.AccessPlatform, CanTranslate)
                    .Low
            );

        public void AcceptFeatures(UInt128 features) => Commands.Add($"features {features:x}");

        public void SetRing(int index, in VhostRing ring)
        {
            LastRing = ring;
            Commands.Add($"ring {index} at {ring.Position}");
        }

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
            Assert.True(regions.IsEmpty || regions[0].Address == GuestRam.GuestBase);
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

        public void Dispose() => _missed.Dispose();
    }
}
