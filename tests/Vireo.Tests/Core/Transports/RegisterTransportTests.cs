using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports;

namespace Vireo.Tests.Core.Transports;

/// <summary>What transports made of registers owe their driver beside that: queue registers, queue reset, a line, a generation.</summary>
public abstract class RegisterTransportTests : TransportTests
{
    [Fact]
    [Clause("core.dev.011", "core.dev.012", "pci.dev.024", "pci.dev.026", "mmio.dev.010", "mmio.dev.012")]
    public void ResetQueue_RunningQueue_StopsItAndForgetsIt()
    {
        using ProbeDevice device = new(8, 8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.RingReset));
        driver.EnableQueue(1, Areas with { Size = 4 });
        driver.ResetQueue(1);

        Assert.Equal([1], device.Stopped);
        Assert.Equal([0], device.Running);
        Assert.False(IsQueueEnabled(driver, 1));
        Assert.Equal(8, driver.ReadSizeMax(1));
        Assert.True(driver.Status.HasFlag(DeviceStatus.DriverOk));
    }

    [Fact]
    [Clause("core.dev.013", "pci.dev.023", "mmio.dev.009")]
    public void ResetQueue_ReenabledElsewhere_RunsThereFromTheStart()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.RingReset));
        driver.ResetQueue(0);
        QueueAreas elsewhere = new(2, new(0x9000), new(0xa000), new(0xb000));
        driver.EnableQueue(0, elsewhere);

        Assert.Equal((elsewhere, QueueState.Fresh), (device.Started[^1].Areas, device.Started[^1].State));
        Assert.True(IsQueueEnabled(driver, 0));
        Assert.False(IsQueueResetting(driver, 0));
    }

    [Fact]
    [Clause("pci.dev.025", "mmio.dev.011")]
    public void ResetQueue_WhileItGoesOn_ShowsOne()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.RingReset));
        List<bool> seen = [];
        device.Stopping = _ => seen.Add(IsQueueResetting(driver, 0));
        driver.ResetQueue(0);

        Assert.Equal([true], seen);
        Assert.False(IsQueueResetting(driver, 0));
    }

    [Fact]
    [Clause("pci.dev.022", "mmio.dev.008")]
    public void ResetQueue_AfterDeviceReset_ShowsZero()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.RingReset));
        driver.Reset();

        Assert.False(IsQueueResetting(driver, 0));
    }

    [Fact]
    public void ResetQueue_NotNegotiated_DoesNothing()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device);
        driver.ResetQueue(0);

        Assert.Equal([0], device.Running);
        Assert.True(IsQueueEnabled(driver, 0));
    }

    [Fact]
    public void Call_OfAQueue_RaisesTheLineUntilItIsAcknowledged()
    {
        using ProbeDevice device = new(8);
        Run(device);
        device.Started[0].Call!.Notify();
        Assert.True(Host.Line);
        device.Started[0].Call!.Notify();

        Assert.Equal(1u, TakeInterrupts());
        Assert.False(Host.Line);
        Assert.Equal(0u, TakeInterrupts());
        Assert.Equal([true, false], Host.Levels);
    }

    [Fact]
    [Clause("pci.dev.027")]
    public void Queue_ThatIsNotThere_HasSizeZeroAndTakesNothing()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Of(CoreFeature.RingReset));

        Assert.Equal(0, driver.ReadSizeMax(1));
        Assert.Equal(0, driver.ReadSizeMax(0xffff));
        EnableBlindly(1, Areas);
        driver.ResetQueue(1);
        driver.Start();
        Assert.Empty(device.Started);
        Assert.False(IsQueueEnabled(driver, 1));
    }

    [Theory]
    [Clause("pci.dev.028")]
    [InlineData(6, false, 8)]
    [InlineData(6, true, 6)]
    [InlineData(0, true, 8)]
    [InlineData(16, true, 8)]
    [InlineData(1, false, 1)]
    [InlineData(8, false, 8)]
    public void QueueSize_NotAllowedByTheLayout_IsNotTaken(int written, bool isPacked, int expected)
    {
        using ProbeDevice device = new(8) { Features = FeatureSet.Of(CoreFeature.RingPacked) };
        TransportDriver driver = Attach(device);
        driver.Negotiate(isPacked ? FeatureSet.Of(CoreFeature.RingPacked) : FeatureSet.Empty);
        EnableBlindly(0, Areas with { Size = (ushort)written });
        driver.Start();

        Assert.Equal(expected, Assert.Single(device.Started).Areas.Size);
    }

    [Fact]
    public void WriteConfig_AnyField_ReachesTheDevice()
    {
        using ProbeDevice device = new(8) { Config = new byte[8] };
        TransportDriver driver = Run(device);
        driver.WriteConfig(1, [1, 2, 3, 4, 5, 6, 7]);

        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], device.Config);
        Assert.Equal([1, 2, 4], device.ConfigWrites.Select(static write => write.Offset));
    }

    [Fact]
    [Clause("pci.dev.019", "mmio.dev.006")]
    public void ReadConfig_ValueThatHasChanged_ChangesTheGeneration()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        TransportDriver driver = Run(device);
        ReadConfig(driver, 4);
        uint before = Generation(driver);
        Assert.Equal(before, Generation(driver));

        device.Config[2] = 9;
        ReadConfig(driver, 1);
        uint after = Generation(driver);
        Assert.NotEqual(before, after);
        ReadConfig(driver, 4);
        Assert.Equal(after, Generation(driver));
    }

    /// <summary>Writes what a driver of ours refuses to write: all registers of a queue, whatever its size, and a kick.</summary>
    private protected abstract void EnableBlindly(int index, QueueAreas areas);

    private protected abstract bool IsQueueResetting(TransportDriver driver, int index);

    private protected abstract uint Generation(TransportDriver driver);
}
