using System.Diagnostics;
using Vireo.Backends.Block.Memory;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Devices.Entropy;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Drivers.Entropy;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Our drivers over the proxy, against our own home: both sides of the socket.</summary>
public sealed class VhostUserProxyTests
{
    private const long CapacitySectors = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BlockDriver_OverTheSocket_WritesAndReads(bool isPolling)
    {
        using MemoryDisk disk = new(CapacitySectors);
        using HomeUnderTest home = new(new BlockDevice(disk));
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(home.Path, DeviceType.Block),
            new() { PollWindow = isPolling ? TimeSpan.FromSeconds(1) : TimeSpan.Zero }
        );
        byte[] written = new byte[1 << 20];
        new Random(1).NextBytes(written);

        driver.Write(4096, written);
        driver.Flush();
        byte[] read = new byte[written.Length];
        driver.Read(4096, read);

        Assert.Equal(written, read);
        Assert.Equal((ulong)CapacitySectors, driver.CapacitySectors);
    }

    [Fact]
    public void EntropyDriver_OverTheSocket_GetsBytes()
    {
        using HomeUnderTest home = new(new EntropyDevice(new CountingEntropy()));
        using var driver = EntropyDriver.Open(VhostUserProxy.Connect(home.Path, DeviceType.Entropy));
        byte[] bytes = new byte[300];

        driver.Fill(bytes);

        Assert.Equal([255, 0, 1], bytes[255..258]);
    }

    [Fact]
    public void BlockDriver_SeveralQueuesAndLoops_AllCarryRequests()
    {
        using MemoryDisk disk = new(CapacitySectors);
        using HomeUnderTest home = new(new BlockDevice(disk, new() { QueueCount = 4 }), loopCount: 2);
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(home.Path, DeviceType.Block, new() { QueueCount = 8 }),
            new() { QueueCount = 8 }
        );
        Assert.Equal(4, driver.QueueCount);
        DriverBuffer buffer = driver.Memory.Allocate(512);
        var completions = new BlockCompletion[1];
        for (int index = 0; index < driver.QueueCount; index++)
        {
            driver.Queue(index).TryRead(0, in buffer, tag: 0);
            driver.Queue(index).Submit();
            Assert.Equal(1, driver.Queue(index).Wait(completions, Patience));
        }
    }

    [Fact]
    public void Config_WrittenThroughTheSocket_ReachesTheDeviceAsFarAsThereIsOne()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using var proxy = VhostUserProxy.Connect(home.Path, DeviceType.Console, new() { ConfigLengthBytes = 6 });

        proxy.WriteConfig(2, [7, 8]);
        proxy.WriteConfig(5, [9, 9, 9]);
        proxy.WriteConfig(6, [1]);
        byte[] read = [0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee];
        proxy.ReadConfig(0, read);
        byte[] behind = [0xee];
        proxy.ReadConfig(6, behind);

        Assert.Equal([0, 1, 7, 8, 4, 9, 0, 0], read);
        Assert.Equal([0], behind);
    }

    [Fact]
    public void StartQueue_OutOfTurnOrTwice_Throws()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using var proxy = VhostUserProxy.Connect(home.Path, DeviceType.Console);
        using Vireo.Drivers.DriverMemory memory = new(1 << 20);
        QueueAreas areas = new(16, new(0x1_0000_0000), new(0x1_0000_1000), new(0x1_0000_2000));
        QueueSetup setup = new(0, areas, QueueState.Fresh, null, null);
        DeviceHost host = new(home.Loops[0], []);

        Assert.Throws<DeviceException>(() => proxy.StartQueue(setup));
        proxy.Attach(host, memory.Memory);
        proxy.Accept(FeatureSet.Of(CoreFeature.Version1));
        Assert.Throws<DeviceException>(() => proxy.StartQueue(setup with { Kick = new UnsharedSignal() }));
        proxy.StartQueue(setup);
        Assert.Throws<DeviceException>(() => proxy.StartQueue(setup));
        Assert.Throws<DeviceException>(() => proxy.StartQueue(setup with { Index = 7 }));
        Assert.NotNull(proxy.StopQueue(0));
        Assert.Null(proxy.StopQueue(0));
        Assert.Null(proxy.StopQueue(7));
    }

    [Theory]
    [InlineData(0, 128)]
    [InlineData(257, 128)]
    [InlineData(1, 100)]
    [InlineData(1, 0)]
    public void Connect_ImpossibleOptions_Throws(int queueCount, int queueSizeMax) =>
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            VhostUserProxy.Connect(
                "/nowhere",
                DeviceType.Block,
                new() { QueueCount = queueCount, QueueSizeMax = (ushort)queueSizeMax }
            )
        );

    [Fact]
    public void Reset_ThenOpenAgain_WorksOnTheSameHome()
    {
        using MemoryDisk disk = new(CapacitySectors);
        using HomeUnderTest home = new(new BlockDevice(disk));
        for (int round = 0; round < 3; round++)
        {
            using var driver = BlockDriver.Open(VhostUserProxy.Connect(home.Path, DeviceType.Block));
            driver.Write(0, new byte[512]);
        }
    }

    [Fact]
    public void MoveTo_AnotherHome_GoesOnWhereTheFirstStopped()
    {
        using MemoryDisk disk = new(CapacitySectors);
        using HomeUnderTest first = new(new BlockDevice(disk));
        using HomeUnderTest second = new(new BlockDevice(disk));
        using var driver = BlockDriver.Open(VhostUserProxy.Connect(first.Path, DeviceType.Block));
        byte[] sector = new byte[512];
        Array.Fill(sector, (byte)3);
        for (int count = 0; count < 1000; count++)
        {
            driver.Write(count * 512, sector);
        }

        driver.Session.MoveTo(VhostUserProxy.Connect(second.Path, DeviceType.Block));
        byte[] read = new byte[1000 * 512];
        driver.Read(0, read);

        Assert.All(read, static value => Assert.Equal(3, value));
    }

    [Fact]
    public void BackEndGoesAway_NoReconnect_DriverIsTold()
    {
        using var control = EventLoopGroup.Start(1);
        using MemoryDisk disk = new(CapacitySectors);
        HomeUnderTest home = new(new BlockDevice(disk));
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(home.Path, DeviceType.Block, new() { Loop = control[0] })
        );
        driver.Write(0, new byte[512]);

        home.Dispose();

        long start = Stopwatch.GetTimestamp();
        Assert.Throws<DriverException>(() => driver.Queue(0).Wait(new BlockCompletion[1], Patience));
        Assert.True(Stopwatch.GetElapsedTime(start) < Patience);
    }

    [Fact]
    public void BackEndComesBack_NothingInFlight_DriverNoticesNothing()
    {
        using var control = EventLoopGroup.Start(1);
        using MemoryDisk disk = new(CapacitySectors);
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        string path = folder["disk.sock"];
        var first = RunningHome.Start(path, disk, loops);
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(
                path,
                DeviceType.Block,
                new() { Loop = control[0], ReconnectDelay = TimeSpan.FromMilliseconds(5) }
            )
        );
        byte[] sector = new byte[512];
        for (int round = 0; round < 300; round++)
        {
            driver.Write(round * 512, sector);
        }

        first.Dispose();
        var proxy = (VhostUserProxy)driver.Session.Device;
        Assert.True(SpinWait.SpinUntil(() => !proxy.IsConnected, Patience));
        using var second = RunningHome.Start(path, disk, loops);
        for (int round = 0; round < 300; round++)
        {
            driver.Write(round * 512, sector);
        }
    }

    [Fact]
    public void BackEndStaysAway_TimeIsOver_DriverIsTold()
    {
        using var control = EventLoopGroup.Start(1);
        using MemoryDisk disk = new(CapacitySectors);
        HomeUnderTest home = new(new BlockDevice(disk));
        using var driver = BlockDriver.Open(
            VhostUserProxy.Connect(
                home.Path,
                DeviceType.Block,
                new()
                {
                    Loop = control[0],
                    ReconnectDelay = TimeSpan.FromMilliseconds(5),
                    ReconnectTimeout = TimeSpan.FromMilliseconds(50),
                }
            )
        );

        home.Dispose();

        DriverException exception = Assert.Throws<DriverException>(() =>
            driver.Queue(0).Wait(new BlockCompletion[1], Patience)
        );
        Assert.Contains("did not come back", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Offered_OurOwnHome_IsWhatTheDeviceOffers()
    {
        using MemoryDisk disk = new(CapacitySectors);
        BlockDevice device = new(disk);
        using HomeUnderTest home = new(device);
        using var proxy = VhostUserProxy.Connect(home.Path, DeviceType.Block);

        Assert.Equal(device.OfferedFeatures, proxy.OfferedFeatures);
        Assert.True(proxy.RingFeatures.Contains(CoreFeature.Version1));
        Assert.False(proxy.RingFeatures.Contains(CoreFeature.AccessPlatform));
    }

    /// <summary>A home that can be ended and started anew on the same path.</summary>
    private sealed class RunningHome : IDisposable
    {
        private readonly VhostUserHome _home;
        private readonly BlockDevice _device;
        private readonly Thread _thread;

        private RunningHome(string path, MemoryDisk disk, EventLoopGroup loops)
        {
            _device = new(disk);
            _home = VhostUserHome.Listen(path, _device, loops);
            _thread = new(_home.Run) { IsBackground = true };
            _thread.Start();
        }

        public static RunningHome Start(string path, MemoryDisk disk, EventLoopGroup loops) => new(path, disk, loops);

        public void Dispose()
        {
            _home.Stop();
            _thread.Join();
            _home.Dispose();
            _device.Dispose();
        }
    }

    /// <summary>A signal that another process cannot be given.</summary>
    private sealed class UnsharedSignal : ISignal
    {
        public void Notify() { }
    }
}
