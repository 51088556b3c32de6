using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Linux.Events;

namespace Vireo.Tests.Drivers;

/// <summary>How a driver brings a device up and lets it go.</summary>
public sealed class DriverSessionTests
{
    private const int Wanted = 3;
    private const int NotOffered = 5;
    private const int Unknown = 60;

    private static readonly FeatureSet Rings = FeatureSet.Of(
        CoreFeature.Version1,
        CoreFeature.IndirectDescriptors,
        CoreFeature.EventIndex
    );

    [Fact]
    [Clause("core.drv.005", "core.drv.006", "core.drv.007", "core.drv.009", "core.drv.032", "core.drv.040")]
    public void Open_MoreAndLessOnOffer_AcceptsWhatBothKnow()
    {
        WitnessDevice device = new(FeatureSet.Of(Wanted, Unknown, CoreFeature.SrIov), Rings);

        using var session = DriverSession.Open(device, FeatureSet.Of(Wanted, NotOffered));

        Assert.Equal(Rings.With(Wanted), device.Accepted);
        Assert.Equal(device.Accepted, session.Features);
    }

    [Fact]
    [Clause("core.drv.014", "core.drv.019", "core.drv.020")]
    public void StartQueues_AfterOpen_IsTheLastStep()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);
        using var session = DriverSession.Open(device, FeatureSet.Empty);
        session.ReadConfig(0, new byte[8]);

        session.StartQueues(1, descriptorsPerRequest: 1);

        Assert.Equal(["attach", "accept", "read config", "start"], device.Events);
    }

    [Fact]
    [Clause("core.drv.022")]
    public void Open_DeviceRefuses_GoesNoFurther()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings) { Refusal = "not these" };

        DeviceException exception = Assert.Throws<DeviceException>(() => DriverSession.Open(device, FeatureSet.Empty));

        Assert.Equal("not these", exception.Message);
        Assert.Equal(["attach", "accept", "dispose"], device.Events);
    }

    [Fact]
    [Clause("core.drv.023", "core.drv.035")]
    public void StartQueues_NothingSubmitted_SendsNoKickAndUsesTheMemoryThatIsShared()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);
        using var session = DriverSession.Open(device, FeatureSet.Empty);
        session.StartQueues(1, descriptorsPerRequest: 3);
        QueueSetup setup = device.Setup!.Value;

        Assert.False(((DriverSignal)setup.Kick!).Event.TryDrain());
        Assert.All(
            [setup.Areas.Descriptors, setup.Areas.Driver, setup.Areas.Device],
            address => Assert.True(session.Memory.Memory.TryRead(address, new byte[1]))
        );
    }

    [Fact]
    public void TryAdd_AfterASleep_IsShownAndKickedForBeforeTheBatchIsWhole()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);
        using var session = DriverSession.Open(device, FeatureSet.Empty);
        session.StartQueues(1, descriptorsPerRequest: 1);
        QueueClient queue = session.Queues[0];
        GuestRange buffer = session.Memory.Allocate(512).Range;
        QueueSetup setup = device.Setup!.Value;
        EventFd kick = ((DriverSignal)setup.Kick!).Event;
        Assert.True(queue.TryAdd([], [buffer], tag: 1));
        Assert.Equal(0, AvailableIndex(session, in setup));
        queue.Submit();
        Assert.True(kick.TryDrain());
        // The device has looked and asks for a kick at the next; it answers nothing, so that the wait ends with its time.
        GuestAddress availableEvent = setup.Areas.Device + 4 + 8ul * setup.Areas.Size;
        Assert.True(session.Memory.Memory.TryWrite(availableEvent, [1, 0]));

        Assert.False(queue.TryTake(TimeSpan.FromMilliseconds(1), out _));
        Assert.True(queue.TryAdd([], [buffer], tag: 2));

        Assert.Equal(2, AvailableIndex(session, in setup));
        Assert.True(kick.TryDrain());
        Assert.True(queue.TryAdd([], [buffer], tag: 3));
        Assert.Equal(2, AvailableIndex(session, in setup));
        queue.Submit();
        Assert.Equal(3, AvailableIndex(session, in setup));
        Assert.False(kick.TryDrain());
    }

    [Fact]
    [Clause("core.drv.025")]
    public void Dispose_RequestsInFlight_ResetsTheDeviceBeforeTheMemoryGoes()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);
        var session = DriverSession.Open(device, FeatureSet.Empty);
        session.StartQueues(1, descriptorsPerRequest: 1);
        GuestRange buffer = session.Memory.Allocate(512).Range;
        Assert.True(session.Queues[0].TryAdd([], [buffer], tag: 1));
        session.Queues[0].Submit();

        session.Dispose();

        Assert.Equal(["stop", "reset", "dispose"], device.Events[^3..]);
        Assert.True(device.HadRingAtReset);
    }

    [Fact]
    [Clause("core.drv.004")]
    public void Take_DeviceThatNeedsAReset_ThrowsAndDoesNotWaitForWhatIsInFlight()
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);
        using var session = DriverSession.Open(device, FeatureSet.Empty);
        session.StartQueues(1, descriptorsPerRequest: 1);
        Assert.True(session.Queues[0].TryAdd([], [session.Memory.Allocate(512).Range], tag: 1));
        session.Queues[0].Submit();

        ((IDeviceHost)session).ReportLoss("it broke");

        DriverException exception = Assert.Throws<DriverException>(() =>
            session.Queues[0].TryTake(Timeout.InfiniteTimeSpan, out _)
        );
        Assert.Equal("it broke", exception.Message);
    }

    [Fact]
    public void StartQueues_Again_Throws()
    {
        using var session = DriverSession.Open(new WitnessDevice(FeatureSet.Empty, Rings), FeatureSet.Empty);
        session.StartQueues(1, descriptorsPerRequest: 1);

        Assert.Throws<InvalidOperationException>(() => session.StartQueues(1, descriptorsPerRequest: 1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void StartQueues_CountThatTheDeviceHasNot_Throws(int count)
    {
        using var session = DriverSession.Open(new WitnessDevice(FeatureSet.Empty, Rings), FeatureSet.Empty);

        Assert.Throws<ArgumentOutOfRangeException>(() => session.StartQueues(count, descriptorsPerRequest: 1));
    }

    [Theory]
    [InlineData(0, 16)]
    [InlineData(1, 0)]
    [InlineData(1, 4097)]
    public void Open_OptionOutOfRange_ThrowsAndDisposesTheDevice(int queueCount, int depth)
    {
        WitnessDevice device = new(FeatureSet.Empty, Rings);

        Assert.Throws<ArgumentOutOfRangeException>(() =>
            DriverSession.Open(device, FeatureSet.Empty, new() { QueueCount = queueCount, Depth = depth })
        );

        Assert.Contains("dispose", device.Events, StringComparer.Ordinal);
    }

    [Fact]
    public void MoveTo_DeviceThatOffersLess_IsRefusedAndNothingChanges()
    {
        WitnessDevice device = new(FeatureSet.Of(Wanted), Rings);
        using var session = DriverSession.Open(device, FeatureSet.Of(Wanted));
        session.StartQueues(1, descriptorsPerRequest: 1);
        WitnessDevice other = new(FeatureSet.Empty, Rings);

        Assert.Throws<DeviceException>(() => session.MoveTo(other));

        Assert.Equal(["dispose"], other.Events);
        Assert.DoesNotContain("stop", device.Events, StringComparer.Ordinal);
        Assert.Same(device, session.Device);
    }

    private static int AvailableIndex(DriverSession session, in QueueSetup setup)
    {
        byte[] index = new byte[2];
        Assert.True(session.Memory.Memory.TryRead(setup.Areas.Driver + 2, index));
        return BitConverter.ToUInt16(index);
    }
}
