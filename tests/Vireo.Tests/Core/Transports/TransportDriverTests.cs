using Vireo.Core.Contract;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Transports;

/// <summary>What a driver owes its device, whatever the device does: it waits, looks again, and gives up in the right order.</summary>
public sealed class TransportDriverTests
{
    private const DeviceStatus Greeted = DeviceStatus.Acknowledge | DeviceStatus.Driver;
    private const DeviceStatus Live = Greeted | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk;
    private const DeviceStatus Asleep = Greeted | DeviceStatus.FeaturesOk | DeviceStatus.Suspend;

    [Fact]
    [Clause("core.drv.010")]
    public void Reset_DeviceThatTakesItsTime_IsOverWhenTheStatusReadsZero()
    {
        ScriptedDriver driver = new();
        Enqueue(driver, Live, Live, DeviceStatus.NeedsReset, DeviceStatus.None);

        driver.Reset();

        Assert.Equal([DeviceStatus.None], driver.Written);
        Assert.Equal(4, driver.StatusReads);
    }

    [Fact]
    [Clause("core.drv.003")]
    public void Negotiate_AfterAFailure_ResetsBeforeItTriesAgain()
    {
        ScriptedDriver driver = new() { TakesFeatures = false };
        Assert.Throws<DeviceException>(() => driver.Negotiate(FeatureSet.Empty));
        Assert.Equal(Greeted | DeviceStatus.Failed, driver.Written[^1]);
        driver.Written.Clear();
        driver.TakesFeatures = true;

        driver.Negotiate(FeatureSet.Empty);

        Assert.Equal(
            [DeviceStatus.None, DeviceStatus.Acknowledge, Greeted, Greeted | DeviceStatus.FeaturesOk],
            driver.Written
        );
    }

    [Fact]
    [Clause("core.drv.033")]
    public void Negotiate_DeviceOlderThanVersion1_GivesUp()
    {
        ScriptedDriver driver = new() { Offered = FeatureSet.Of(3) };

        DeviceException exception = Assert.Throws<DeviceException>(() => driver.Negotiate(FeatureSet.Of(3)));

        Assert.Equal("the device refuses features {3}; it offers {3}", exception.Message);
        Assert.True(driver.Written[^1].HasFlag(DeviceStatus.Failed));
    }

    /// <summary>Each read of a field of four bytes finds what stands there then; what is torn by a change is read again.</summary>
    [Fact]
    [Clause("core.drv.011")]
    public void ReadConfig_ChangedBetweenTwoFields_IsReadAgain()
    {
        ScriptedDriver driver = new();
        Replace<uint>(driver.Generations, [1, 2, 2, 3, 3, 3]);
        Replace<byte>(driver.Contents, [10, 20, 20, 30, 30, 30]);
        byte[] read = new byte[8];

        driver.ReadConfig(0, read);

        Assert.Equal(Enumerable.Repeat((byte)30, 8), read);
    }

    [Fact]
    [Clause("core.drv.011")]
    public void ReadConfig_ChangedAllTheTime_IsGivenUp()
    {
        ScriptedDriver driver = new();
        Replace(driver.Generations, Enumerable.Range(0, 100_000).Select(static number => (uint)number));

        Assert.Throws<DeviceException>(() => driver.ReadConfig(0, new byte[8]));
    }

    /// <summary>SUSPEND alone, or beside DRIVER_OK, is not yet what was asked for.</summary>
    [Fact]
    [Clause("core.drv.027")]
    public void Suspend_DeviceThatTakesItsTime_WaitsForBothBits()
    {
        ScriptedDriver driver = Run();
        int reads = driver.StatusReads;
        Enqueue(driver, Live, Live, Live, Live | DeviceStatus.Suspend, Asleep);

        driver.Suspend();

        Assert.True(driver.IsSuspended);
        Assert.Equal(Live | DeviceStatus.Suspend, driver.Written[^1]);
        Assert.Equal(5, driver.StatusReads - reads);
    }

    [Fact]
    [Clause("core.drv.031")]
    public void Resume_DeviceThatTakesItsTime_WaitsForBothBitsBeforeAnythingElse()
    {
        ScriptedDriver driver = Run();
        Enqueue(driver, Live, Live, Asleep);
        driver.Suspend();
        int reads = driver.StatusReads;
        Enqueue(driver, Asleep, Asleep, Live | DeviceStatus.Suspend, Live);

        driver.Resume();

        Assert.False(driver.IsSuspended);
        Assert.Equal(4, driver.StatusReads - reads);
        driver.Kick(0);
    }

    [Fact]
    public void Suspend_DeviceThatNeverDoes_LeavesTheDriverSilent()
    {
        ScriptedDriver driver = Run();

        Assert.Throws<DeviceException>(driver.Suspend);

        Assert.Throws<InvalidOperationException>(() => driver.Kick(0));
        driver.Reset();
        Assert.False(driver.IsSuspended);
    }

    private static ScriptedDriver Run()
    {
        ScriptedDriver driver = new();
        driver.Negotiate(FeatureSet.Of(CoreFeature.Suspend));
        driver.Start();
        return driver;
    }

    private static void Enqueue(ScriptedDriver driver, params DeviceStatus[] statuses) =>
        Replace(driver.Statuses, statuses);

    private static void Replace<T>(Queue<T> queue, IEnumerable<T> values)
    {
        queue.Clear();
        foreach (T value in values)
        {
            queue.Enqueue(value);
        }
    }
}
