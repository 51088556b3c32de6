using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports;

namespace Vireo.Tests.Core.Transports;

/// <summary>What every transport owes its driver; run by each transport with its own driver role.</summary>
public abstract class TransportTests
{
    private protected static readonly QueueAreas Areas = new(8, new(0x1_0000_1000), new(0x2000), new(0x3_0000_3000));

    private protected ProbeHost Host { get; } = new();

    [Fact]
    [Clause("core.dev.005", "core.dev.023", "pci.dev.016", "pci.dev.017")]
    public void Negotiate_FeaturesInAllWords_AreOfferedAndAccepted()
    {
        var features = FeatureSet.Of(0, 23, 50, 70, 127);
        using ProbeDevice device = new(8) { Features = features };
        TransportDriver driver = Attach(device);

        FeatureSet accepted = driver.Negotiate(FeatureSet.Of(0, 70, 127, 101));

        Assert.True(features.With(CoreFeature.Version1).IsSubsetOf(driver.ReadOffered()));
        Assert.Equal(FeatureSet.Of(0, CoreFeature.Version1, 70, 127), accepted);
        Assert.Equal(accepted, device.Accepted);
    }

    [Fact]
    [Clause("core.dev.005")]
    public void FeaturesOk_FeatureThatWasNotOffered_StaysClear()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        GreetWith(driver, FeatureSet.Of(CoreFeature.Version1, 5));

        Assert.Equal(DeviceStatus.Acknowledge | DeviceStatus.Driver, driver.Status);
        Assert.True(device.Accepted.IsEmpty);
    }

    [Fact]
    [Clause("core.dev.024")]
    public void FeaturesOk_WithoutVersion1_StaysClear()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        GreetWith(driver, FeatureSet.Empty);

        Assert.False(driver.Status.HasFlag(DeviceStatus.FeaturesOk));
    }

    [Fact]
    [Clause("core.dev.005")]
    public void FeaturesOk_ChoiceThatTheDeviceRefuses_StaysClear()
    {
        using ProbeDevice device = new(8) { Refusal = "not like this" };
        TransportDriver driver = Attach(device);

        Assert.Throws<DeviceException>(() => driver.Negotiate(FeatureSet.Empty));
        Assert.Equal(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.Failed, driver.Status);
    }

    [Fact]
    [Clause("core.dev.007")]
    public void Negotiate_SameFeaturesAfterReset_Succeeds()
    {
        using ProbeDevice device = new(8) { Features = FeatureSet.Of(1, 2) };
        TransportDriver driver = Attach(device);

        FeatureSet first = driver.Negotiate(FeatureSet.Of(1));
        Assert.Equal(first, driver.Negotiate(FeatureSet.Of(1)));
    }

    [Fact]
    public void DriverFeatures_AfterFeaturesOk_StandFast()
    {
        using ProbeDevice device = new(8) { Features = FeatureSet.Of(1, 2) };
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Of(1));

        WriteFeatures(driver, FeatureSet.Of(1, 2, CoreFeature.Version1));
        driver.WriteStatus(driver.Status | DeviceStatus.FeaturesOk);

        Assert.Equal(FeatureSet.Of(1, CoreFeature.Version1), device.Accepted);
    }

    [Fact]
    public void DriverOk_WithoutFeaturesOk_StaysClear()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver);
        driver.WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.DriverOk);
        driver.EnableQueue(0, Areas);

        Assert.Equal(DeviceStatus.Acknowledge | DeviceStatus.Driver, driver.Status);
        Assert.Empty(device.Started);
    }

    [Fact]
    [Clause("core.dev.001", "mmio.dev.007")]
    public void Queue_EnabledBeforeDriverOk_RunsFromDriverOkOn()
    {
        using ProbeDevice device = new(8, 8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(1, Areas);

        Assert.Empty(device.Started);
        driver.Start();
        QueueSetup setup = Assert.Single(device.Started);
        Assert.Equal((1, Areas, QueueState.Fresh), (setup.Index, setup.Areas, setup.State));
        Assert.Same(Host.KickFor(1), setup.Kick);
    }

    [Fact]
    public void Queue_EnabledAfterDriverOk_RunsAtOnce()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Empty);
        driver.Start();
        driver.EnableQueue(0, Areas);

        Assert.Single(device.Started);
    }

    [Fact]
    public void Queue_ThatCannotStart_NeedsReset()
    {
        using ProbeDevice device = new(8) { StartRefusal = "nothing there" };
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));
        Assert.Equal("queue 0: nothing there", Assert.Single(Host.ResetReasons));
        Assert.Equal(2u, TakeInterrupts());
    }

    [Fact]
    [Clause("core.dev.008", "core.dev.009", "pci.dev.020", "pci.dev.021", "mmio.dev.005")]
    public void Reset_RunningDevice_StopsAndForgetsEverything()
    {
        using ProbeDevice device = new(8) { Features = FeatureSet.Of(3) };
        TransportDriver driver = Run(device, FeatureSet.Of(3));
        device.Started[0].Call!.Notify();
        driver.WriteStatus(DeviceStatus.None);

        Assert.Equal(DeviceStatus.None, driver.Status);
        Assert.Equal([0], device.Stopped);
        Assert.True(device.Resets > 0);
        Assert.Equal(PendingAfterReset, TakeInterrupts());
        Assert.False(IsQueueEnabled(driver, 0));
        Assert.Equal(8, driver.ReadSizeMax(0));
        device.Host.NotifyConfigChanged();
        Assert.Equal(0u, TakeInterrupts());
    }

    [Fact]
    [Clause("core.dev.010")]
    public void ReadConfig_BeforeFeaturesOk_Reads()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4, 5, 6, 7, 8, 9] };
        TransportDriver driver = Attach(device);
        byte[] read = new byte[9];
        driver.ReadConfig(0, read);

        Assert.Equal(device.Config, read);
    }

    [Fact]
    [Clause("core.dev.020", "core.dev.021", "core.dev.022")]
    public void Suspend_RunningDevice_StopsQueuesAndResumesThemWhereTheyStood()
    {
        using ProbeDevice device = new(8) { StateAtStop = new QueueState(5, 4) };
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        driver.Suspend();
        Assert.Empty(device.Running);

        driver.Resume();
        Assert.Equal([0], device.Running);
        Assert.Equal(new QueueState(5, 4), device.Started[^1].State);
        Assert.Equal(Areas, device.Started[^1].Areas);
    }

    [Fact]
    [Clause("core.dev.022")]
    public void Suspend_WhileQueuesStop_DoesNotShowYet()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        List<DeviceStatus> seen = [];
        device.Stopping = _ => seen.Add(driver.Status & (DeviceStatus.Suspend | DeviceStatus.DriverOk));
        driver.Suspend();

        Assert.Equal([DeviceStatus.DriverOk], seen);
    }

    [Fact]
    [Clause("core.dev.020", "core.dev.021")]
    public void Suspend_QueueThatIsLost_NeedsReset()
    {
        using ProbeDevice device = new(8) { StateAtStop = null };
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        driver.Suspend();
        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));

        using ProbeDevice other = new(8);
        driver = Run(other, FeatureSet.Of(CoreFeature.Suspend));
        driver.Suspend();
        other.StartRefusal = "gone";
        driver.Resume();
        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));
    }

    [Fact]
    [Clause("core.dev.015")]
    public void Suspend_BeforeDriverOkOrNotNegotiated_IsIgnored()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Of(CoreFeature.Suspend));
        driver.WriteStatus(driver.Status | DeviceStatus.Suspend);
        Assert.False(driver.Status.HasFlag(DeviceStatus.Suspend));

        driver = Run(device);
        driver.WriteStatus(driver.Status | DeviceStatus.Suspend);
        Assert.False(driver.Status.HasFlag(DeviceStatus.Suspend));
        Assert.Equal([0], device.Running);
    }

    [Fact]
    [Clause("core.dev.016", "core.dev.017", "core.dev.018", "core.dev.019")]
    public void Suspend_ConfigurationSpace_StandsStillAndIsAnnouncedAtResume()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        // Behind the driver's back, which would not write then.
        driver.WriteStatus(driver.Status | DeviceStatus.Suspend);
        TakeInterrupts();
        driver.WriteConfig(0, [9]);
        device.Config[1] = 7;
        device.Host.NotifyConfigChanged();

        Assert.Empty(device.ConfigWrites);
        Assert.Equal(0u, TakeInterrupts());
        Assert.Equal([1, 2, 3, 4], ReadConfig(driver, 4));

        driver.Resume();
        Assert.Equal(2u, TakeInterrupts());
        Assert.Equal([1, 7, 3, 4], ReadConfig(driver, 4));
    }

    [Fact]
    [Clause("core.drv.029", "core.drv.030")]
    public void Suspend_DriverThatKicksOrWrites_IsHeldBackUntilResume()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        driver.Suspend();
        Assert.True(driver.IsSuspended);

        Assert.Throws<InvalidOperationException>(() => driver.Kick(0));
        Assert.Throws<InvalidOperationException>(() => driver.WriteConfig(0, [9]));
        Assert.Equal(0, Host.Kicks(0).Count);
        Assert.Empty(device.ConfigWrites);

        driver.Resume();
        driver.Kick(0);
        driver.WriteConfig(0, [9]);
        Assert.Equal(1, Host.Kicks(0).Count);
        Assert.Single(device.ConfigWrites);
    }

    [Fact]
    [Clause("core.drv.026")]
    public void Suspend_NotRunningOrNotNegotiated_IsRefusedByTheDriver()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Of(CoreFeature.Suspend));
        Assert.Throws<InvalidOperationException>(driver.Suspend);

        driver = Run(device);
        Assert.Throws<InvalidOperationException>(driver.Suspend);
        Assert.False(driver.IsSuspended);
        Assert.Equal([0], device.Running);
    }

    [Fact]
    [Clause("core.drv.013")]
    public void ReadConfig_LongerThanAnyStructure_IsReadWhole()
    {
        byte[] config = new byte[1000];
        new Random(1).NextBytes(config);
        using ProbeDevice device = new(8) { Config = config };
        TransportDriver driver = Attach(device);
        byte[] read = new byte[config.Length];

        driver.ReadConfig(0, read);

        Assert.Equal(config, read);
    }

    [Fact]
    public void Suspend_ThenReset_IsOver()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device, FeatureSet.Of(CoreFeature.Suspend));
        driver.Suspend();
        driver.Reset();

        Assert.Equal(DeviceStatus.None, driver.Status);
        driver.Negotiate(FeatureSet.Empty);
        driver.Start();
        Assert.Empty(device.Running);
    }

    [Fact]
    [Clause("core.dev.002", "core.dev.003")]
    public void Fault_RunningQueue_ShowsAndIsAnnouncedOnce()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device);
        device.Host.ReportFault(0, QueueFault.IndexJump);
        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));
        Assert.Equal(2u, TakeInterrupts());

        device.Host.ReportFault(0, QueueFault.BadAddress);
        Assert.Equal(0u, TakeInterrupts());
        Assert.Single(Host.ResetReasons);
        driver.Reset();
        Assert.Equal(DeviceStatus.None, driver.Status);
    }

    [Fact]
    public void Fault_StatusWrittenBack_CannotClearOrSetNeedsReset()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Run(device);
        driver.WriteStatus(driver.Status | DeviceStatus.NeedsReset);
        Assert.False(driver.Status.HasFlag(DeviceStatus.NeedsReset));

        device.Host.ReportFault(0, QueueFault.IndexJump);
        driver.WriteStatus(DeviceStatus.Acknowledge);
        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset | DeviceStatus.DriverOk | DeviceStatus.FeaturesOk));
    }

    [Fact]
    public void ConfigChange_BeforeDriverOk_IsAnnouncedAtDriverOk()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Empty);
        device.Host.NotifyConfigChanged();
        Assert.Equal(0u, TakeInterrupts());

        driver.Start();
        Assert.Equal(2u, TakeInterrupts());
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Kick_WithAndWithoutData_ReachesItsQueue(bool hasData, bool hasToken)
    {
        FeatureSet features = FeatureSet
            .Empty.WithIf(CoreFeature.NotificationData, hasData)
            .WithIf(CoreFeature.NotificationConfigData, hasToken);
        using ProbeDevice device = new(8, 8, 8);
        TransportDriver driver = Run(device, features);
        driver.EnableQueue(2, Areas);
        driver.Kick(2, nextOffset: 5, nextWrap: true);
        driver.Kick(0, nextOffset: 1);

        Assert.Equal([1, 0, 1], [Host.Kicks(0).Count, Host.Kicks(1).Count, Host.Kicks(2).Count]);
    }

    [Fact]
    public void Kick_QueueThatDoesNotRun_IsDropped()
    {
        using ProbeDevice device = new(8);
        TransportDriver driver = Attach(device);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Kick(0);

        Assert.Equal(0, Host.Kicks(0).Count);
    }

    [Fact]
    public void Attach_NewMemoryWhileRunning_GoesOnWhereItStood()
    {
        using ProbeDevice device = new(8) { StateAtStop = new QueueState(3, 2) };
        Run(device);
        GuestMemory memory = NoMemory.Create();
        AttachMemory(memory);

        Assert.Same(memory, device.Memory);
        Assert.Equal((2, new QueueState(3, 2)), (device.Started.Count, device.Started[^1].State));
    }

    /// <summary>Puts the device behind a fresh transport, with memory, and makes its driver.</summary>
    private protected abstract TransportDriver Attach(ProbeDevice device);

    /// <summary>Gives the transport that was attached last other memory.</summary>
    private protected abstract void AttachMemory(GuestMemory memory);

    /// <summary>Takes the events that the interrupt line stands for: 1 for queues, 2 for configuration.</summary>
    private protected abstract uint TakeInterrupts();

    /// <summary>What <see cref="TakeInterrupts"/> takes after a reset that came between an event and its taking.</summary>
    private protected virtual uint PendingAfterReset => 0;

    private protected abstract bool IsQueueEnabled(TransportDriver driver, int index);

    private protected abstract void WriteFeatures(TransportDriver driver, FeatureSet features);

    /// <summary>A device whose queue 0 runs.</summary>
    private protected TransportDriver Run(ProbeDevice device, FeatureSet features = default)
    {
        TransportDriver driver = Attach(device);
        driver.Negotiate(features);
        driver.EnableQueue(0, Areas);
        driver.Start();
        Assert.Equal([0], device.Running);
        return driver;
    }

    private protected static byte[] ReadConfig(TransportDriver driver, int length)
    {
        byte[] bytes = new byte[length];
        driver.ReadConfig(0, bytes);
        return bytes;
    }

    private void GreetWith(TransportDriver driver, FeatureSet features)
    {
        driver.Reset();
        driver.WriteStatus(DeviceStatus.Acknowledge);
        driver.WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver);
        WriteFeatures(driver, features);
        driver.WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk);
    }
}
