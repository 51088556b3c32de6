using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Ccw;

namespace Vireo.Tests.Core.Transports.Ccw;

/// <summary>What the specification asks of drivers, watched on every command of ours.</summary>
public sealed class CcwDriverTests
{
    private const int ReadStatus = 0x72;
    private const uint Scratch = 0x1000;

    private static readonly QueueAreas Areas = new(8, new(0x1_0000), new(0x1_1000), new(0x1_2000));

    private readonly ProbeHost _host = new();

    [Fact]
    [Clause("ccw.drv.002", "ccw.drv.004", "ccw.drv.005", "ccw.drv.010", "ccw.drv.011")]
    public void WholeLife_KeepsTheRules()
    {
        using ProbeDevice device = new(8, 8) { Config = new byte[8] };
        using ChannelMachine machine = new(device, _host);
        WatchedChannel channel = new(machine);
        CcwDriver driver = new(channel, machine.Memory, Scratch);
        driver.UseClassicIndicators();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas with { Size = driver.ReadSizeMax(0) });
        driver.Start();
        driver.WriteConfig(2, [1, 2]);
        driver.Kick(0);
        driver.Kick(0);
        driver.Kick(0);
        driver.Reset();

        // What the watcher checks on the way: the length of each command's data.
        Assert.Equal([0xe4, 0x83], channel.Commands.Take(2));
        Assert.Equal([2], channel.Revisions);
        Assert.Equal(channel.Cookies[0].Given, channel.Cookies[1].Passed);
        Assert.Equal(channel.Cookies[1].Given, channel.Cookies[2].Passed);
        Assert.Equal(DeviceStatus.None, driver.Status);
    }

    [Theory]
    [Clause("ccw.drv.001")]
    [InlineData(0x38, 0x32, true)]
    [InlineData(0x38, 0x33, false)]
    [InlineData(0x39, 0x32, false)]
    public void ControlUnit_OfAnyDeviceTypeAndModel_IsTakenByItsOwnType(byte high, byte low, bool isTaken)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        // Reserved byte, type and model of the control unit, type and model of the device behind it.
        WatchedChannel channel = new(machine) { Identity = [0xff, high, low, 2, 0x33, 0x90, 0x0c] };

        Exception? refusal = Record.Exception(() => new CcwDriver(channel, machine.Memory, Scratch));

        Assert.Equal(isTaken, refusal is null);
        Assert.True(refusal is null or DeviceException);
    }

    [Fact]
    [Clause("ccw.drv.003", "ccw.drv.005", "ccw.drv.008", "ccw.drv.011")]
    public void Revision_OfAnOlderDevice_IsFoundFromAboveAndKeptTo()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        WatchedChannel channel = new(machine) { RevisionMax = 1 };
        CcwDriver driver = new(channel, machine.Memory, Scratch);
        driver.UseClassicIndicators();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        Assert.Equal(1, driver.Revision);
        Assert.Equal([2, 1], channel.Revisions);
        Assert.True(driver.Status.HasFlag(DeviceStatus.DriverOk));
        Assert.Equal([0], device.Running);
        driver.Reset();
        Assert.Equal(DeviceStatus.None, driver.Status);
        Assert.DoesNotContain(ReadStatus, channel.Commands);
    }

    [Theory]
    [Clause("ccw.drv.006")]
    [InlineData(1)]
    [InlineData(2)]
    public void Status_ThatIsRejected_IsAsItWas(int revision)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        WatchedChannel channel = new(machine) { RevisionMax = revision, RejectedStatus = 0x0b };
        CcwDriver driver = new(channel, machine.Memory, Scratch);

        Assert.Throws<DeviceException>(() => driver.Negotiate(FeatureSet.Empty));
        Assert.Equal(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.Failed, driver.Status);
    }

    [Fact]
    [Clause("ccw.drv.007")]
    public void Status_AfterAChangeIsAnnounced_IsReadFromTheDevice()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        WatchedChannel channel = new(machine);
        CcwDriver driver = new(channel, machine.Memory, Scratch);
        driver.UseClassicIndicators();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        device.Host.ReportFault(0, QueueFault.IndexJump);
        channel.Commands.Clear();

        Assert.NotEqual(0ul, driver.TakeConfigIndicators());
        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));
        Assert.Equal([ReadStatus], channel.Commands);
    }

    [Fact]
    [Clause("ccw.drv.009")]
    public void AdapterIndicators_TakenByTheDriver_InterruptAgain()
    {
        const uint Summary = 0x3000;
        const uint Area = 0x3100;
        using ProbeDevice device = new(8, 8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, Scratch);
        driver.UseAdapterIndicators(new(Summary), new(Area), bit: 0, subclass: 3);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.EnableQueue(1, Areas);
        driver.Start();
        byte[] indicators = new byte[1];

        device.Started[0].Call!.Notify();
        device.Started[1].Call!.Notify();
        Assert.Equal([3], _host.AdapterInterrupts);
        driver.TakeAdapterIndicators(new(Summary), new(Area), indicators);
        Assert.Equal([0xc0], indicators);
        Assert.Equal([0], machine.Get(Summary, 1));

        device.Started[1].Call!.Notify();
        Assert.Equal([3, 3], _host.AdapterInterrupts);
        driver.TakeAdapterIndicators(new(Summary), new(Area), indicators);
        Assert.Equal([0x40], indicators);
    }
}
