using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Devices.Block;
using Vireo.Homes.VfioUser;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Tests.Core.Transports;
using Vireo.Tests.Core.Transports.Pci;
using Vireo.Tests.Fakes;
using Vireo.Tests.Homes.VfioUser;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes;

/// <summary>A disk moves from one home to another and back under a driver that notices nothing: same rings, same requests.</summary>
public sealed class MoveTests
{
    private const ushort Size = 64;

    private static readonly FeatureSet BlockFeatures = FeatureSet.Of(CoreFeature.Version1, 9);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Disk_MovedFromVhostUserToVfioUserAndBack_LosesNothing(bool isPacked)
    {
        FeatureSet features = BlockFeatures.WithIf(CoreFeature.RingPacked, isPacked);
        FakeBlockBackend disk = new();
        using GuestRam ram = new();
        using TestRing ring = new(ram, 0, Size, features);
        BlockDriverInSmall driver = new(ram, ring.Driver);

        // Some requests are done, some are in flight, and some are not even taken when the disk leaves.
        uint position = RunInVhostUser(
            disk,
            ram,
            ring,
            features,
            RingPosition.Encode(QueueState.Fresh, isPacked),
            () => LeaveRequests(disk, driver, () => ring.Kick.Signal())
        );
        driver.TakeAll(atLeast: 12);

        QueueState state = RunInVfioUser(
            disk,
            ram,
            Describe(disk, features, RingPosition.Decode(position, isPacked)),
            kick =>
            {
                // Nobody kicks: what was left over is found in the ring.
                driver.TakeAll(atLeast: 15);
                LeaveRequests(disk, driver, kick);
            }
        );
        driver.TakeAll(atLeast: 27);

        RunInVhostUser(
            disk,
            ram,
            ring,
            features,
            RingPosition.Encode(state, isPacked),
            () =>
            {
                driver.TakeAll(atLeast: 30);
                driver.ReadEverything(() => ring.Kick.Signal());
            }
        );
        Assert.Equal(30, driver.Written);
    }

    /// <summary>Eight requests are completed, four are in flight and three nobody has been told of.</summary>
    private static void LeaveRequests(FakeBlockBackend disk, BlockDriverInSmall driver, Action kick)
    {
        int before = driver.Written;
        driver.Write(8);
        kick();
        driver.TakeAll(before + 8);
        disk.IsDeferred = true;
        driver.Write(4);
        kick();
        Assert.True(SpinWait.SpinUntil(() => disk.Pending.Count == 4, FrontEnd.Patience), "requests are not taken");
        driver.Write(3);
    }

    private static uint RunInVhostUser(
        FakeBlockBackend disk,
        GuestRam ram,
        TestRing ring,
        FeatureSet features,
        uint position,
        Action work
    )
    {
        disk.IsDeferred = false;
        using Vireo.Tests.Homes.VhostUser.HomeUnderTest home = new(new BlockDevice(disk, new()));
        using FrontEnd frontEnd = home.Negotiate();
        frontEnd.Send(FrontEndRequest.SetFeatures, features.Word(0) | (ulong)features.Word(1) << 32 | 1ul << 30);
        ram.Share(frontEnd);
        ring.Configure(frontEnd, position);
        ring.Start(frontEnd);
        work();
        return ring.Stop(frontEnd);
    }

    private static QueueState RunInVfioUser(FakeBlockBackend disk, GuestRam ram, byte[] state, Action<Action> work)
    {
        disk.IsDeferred = false;
        using Vireo.Tests.Homes.VfioUser.HomeUnderTest home = new(new BlockDevice(disk, new()));
        using Client client = home.Agree();
        client.Map(GuestRam.GuestBase, (ulong)ram.File.Size, ram.File.Handle);
        client.SetMigrationState(Client.MigrationResuming);
        client.WriteState(state);
        client.SetMigrationState(Client.MigrationRunning);
        ulong notify = new PciFunction(new BlockDevice(disk, new()), new ProbeHost()).NotifyRegister(0).Offset;
        work(() => client.WriteBar(0, notify, [0, 0]));
        client.SetMigrationState(Client.MigrationStopCopy);

        PciFunction function = CreateScratch(disk);
        function.Load(client.ReadState());
        Assert.Equal(Size, function.Lifecycle.SetupOf(0)!.Value.Areas.Size);
        return function.Lifecycle.SetupOf(0)!.Value.State;
    }

    /// <summary>What a monitor does that moves a device into a PCI function: it sets a function up as the driver knows it.</summary>
    private static byte[] Describe(FakeBlockBackend disk, FeatureSet features, QueueState state)
    {
        PciFunction function = CreateScratch(disk);
        PciDriver driver = new(new FunctionAccess(function));
        driver.EnableFunction(useMsix: true);
        Assert.Equal(features, driver.Negotiate(features));
        driver.EnableQueue(0, GuestRam.Areas(0, Size));
        driver.Start();
        function.Lifecycle.PlaceQueue(0, state);
        return function.Save();
    }

    /// <summary>A function like the home's that never runs.</summary>
    private static PciFunction CreateScratch(FakeBlockBackend disk)
    {
        PciFunctionOptions options = new() { Features = VfioUserOptions.FeaturesUsual, IsVectorTableElsewhere = true };
        PciFunction function = new(new BlockDevice(disk, new()), new ProbeHost(), options);
        function.Lifecycle.Hold();
        return function;
    }
}
