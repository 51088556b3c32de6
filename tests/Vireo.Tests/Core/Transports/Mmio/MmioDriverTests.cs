using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Mmio;

namespace Vireo.Tests.Core.Transports.Mmio;

/// <summary>What the specification asks of drivers, watched on every access of ours.</summary>
public sealed class MmioDriverTests
{
    private static readonly QueueAreas Areas = new(8, new(0x1000), new(0x2000), new(0x3000));

    private readonly ProbeHost _host = new();

    [Fact]
    [Clause("mmio.drv.001", "mmio.drv.002", "mmio.drv.003", "mmio.drv.007", "mmio.drv.008", "mmio.drv.010")]
    [Clause("mmio.drv.011", "mmio.drv.014", "mmio.drv.015", "mmio.drv.016", "mmio.drv.017", "mmio.drv.019")]
    public void WholeLife_KeepsTheRules()
    {
        using ProbeDevice device = new(8, 8) { Config = new byte[24] };
        WatchedRegisters access = Watch(device, waitReads: 3);
        MmioDriver driver = new(access);
        driver.Negotiate(FeatureSet.Of(CoreFeature.RingReset));
        driver.EnableQueue(0, Areas);
        driver.EnableQueue(1, Areas);
        driver.Start();
        driver.ReadConfig(1, new byte[22]);
        driver.WriteConfig(8, new byte[9]);
        driver.Kick(1);
        driver.ResetQueue(1);
        driver.EnableQueue(1, Areas with { Size = 4 });
        driver.DisableQueue(0);
        driver.EnableQueue(0, Areas);
        driver.Reset();

        Assert.Equal([0, 4, 8], access.Accesses.Take(3).Select(static access => access.Register));
        Assert.DoesNotContain(access.Accesses, static access => access.Register is >= 0xac and <= 0xbc);
    }

    [Fact]
    [Clause("mmio.drv.020", "core.drv.001")]
    public void Negotiation_GoesThroughItsStepsInOrder()
    {
        using ProbeDevice device = new(8);
        WatchedRegisters access = Watch(device);
        MmioDriver driver = new(access);
        access.Accesses.Clear();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        // Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK, queues, DRIVER_OK.
        Assert.Equal(
            [0u, 1u, 3u, 11u, 15u],
            access
                .Accesses.Where(static access => access.Register == 0x70)
                .Select(static access => access.Written)
                .OfType<uint>()
        );
        Assert.Equal(DeviceStatus.FeaturesOk, driver.Status & DeviceStatus.FeaturesOk);
    }

    [Fact]
    [Clause("mmio.drv.022")]
    public void InterruptStatus_OfSeveralQueues_IsOneBitForAll()
    {
        using ProbeDevice device = new(8, 8);
        MmioDriver driver = new(Watch(device));
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.EnableQueue(1, Areas);
        driver.Start();

        device.Started.ForEach(static setup => setup.Call!.Notify());

        Assert.Equal(1u, driver.InterruptStatus);
        driver.Acknowledge(driver.InterruptStatus);
        Assert.Equal(0u, driver.InterruptStatus);
        Assert.False(_host.Line);
    }

    [Theory]
    [Clause("mmio.drv.004", "mmio.drv.005")]
    [InlineData(0, 0x7472_6975u)]
    [InlineData(4, 1u)]
    [InlineData(4, 3u)]
    public void Registers_ThatAreNotOfVirtio_AreRefused(int register, uint value)
    {
        using ProbeDevice device = new(8);
        WatchedRegisters access = Watch(device);
        access.Lies[register] = value;

        Assert.Throws<DeviceException>(() => new MmioDriver(access));
        Assert.All(access.Accesses, static access => Assert.InRange(access.Register, 0, 4));
    }

    [Fact]
    [Clause("mmio.drv.006", "mmio.drv.018")]
    public void Place_WithoutADevice_IsNoErrorAndNotTouched()
    {
        using ProbeDevice device = new(8);
        WatchedRegisters access = Watch(device);
        access.Lies[8] = 0;

        Assert.Equal(0u, new MmioDriver(access).DeviceId);
        Assert.Equal([0, 4, 8], access.Accesses.Select(static access => access.Register));
    }

    [Fact]
    [Clause("mmio.drv.009", "mmio.drv.010")]
    public void Queue_ThatTakesNoSuchRing_IsNotTouched()
    {
        using ProbeDevice device = new(8);
        WatchedRegisters access = Watch(device);
        MmioDriver driver = new(access);
        driver.Negotiate(FeatureSet.Empty);

        Assert.Throws<DeviceException>(() => driver.EnableQueue(0, Areas with { Size = 16 }));
        Assert.Throws<DeviceException>(() => driver.EnableQueue(1, Areas));
        driver.EnableQueue(0, Areas);
        Assert.Throws<DeviceException>(() => driver.EnableQueue(0, Areas));
        Assert.Single(access.Accesses, static access => access.Register == 0x38);
    }

    [Fact]
    [Clause("mmio.drv.012", "mmio.drv.013", "mmio.drv.021", "mmio.drv.023")]
    public void Events_ThatNobodyKnows_AreIgnored()
    {
        using ProbeDevice device = new(8);
        WatchedRegisters access = Watch(device);
        MmioDriver driver = new(access);
        access.Lies[0x60] = 0xffff_fffd;
        uint events = driver.InterruptStatus;
        Assert.Equal(1u, events);
        driver.Acknowledge(0xffff_ff00 | events);

        Assert.Equal((0x64, 1u), access.Accesses[^1]);
    }

    private WatchedRegisters Watch(ProbeDevice device, int waitReads = 0)
    {
        MmioRegisters registers = new(device, _host);
        registers.Attach(NoMemory.Create());
        return new(registers) { WaitReads = waitReads };
    }
}
