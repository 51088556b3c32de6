using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Devices.Entropy;
using Vireo.Homes.VfioUser;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>What a guest and its monitor see of a home, from the first connection to the last.</summary>
public sealed class VfioUserHomeTests
{
    public static TheoryData<bool, bool> RingsAndInterrupts =>
        new()
        {
            { false, false },
            { false, true },
            { true, false },
            { true, true },
        };

    [Fact]
    public void Run_DeviceInFiveLines_ServesAndEnds()
    {
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        using EntropyDevice device = new(new CountingEntropy());
        using var home = VfioUserHome.Listen(folder["rng.sock"], device, loops);
        Thread thread = new(home.Run);
        thread.Start();

        using var client = Client.Connect(folder["rng.sock"]);
        client.Agree();
        byte[] ids = new byte[4];
        client.ReadConfig(0, ids);
        Assert.Equal([0xf4, 0x1a, 0x44, 0x10], ids);

        home.Stop();
        Assert.True(thread.Join(Client.Patience));
        client.ExpectClosed();
    }

    [Theory]
    [MemberData(nameof(RingsAndInterrupts))]
    public void Guest_KickByMessage_IsAnsweredAndInterrupted(bool isPacked, bool isMsix)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix);
        guest.Start(Rings(isPacked));

        for (int request = 0; request < 40; request++)
        {
            guest.Echo($"request {request}");
        }
    }

    [Fact]
    public void Guest_KickByDescriptor_IsAnsweredWithoutAMessage()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        RegionIoFds request = new() { ArgumentBytes = 4096 };
        byte[] answer = client.Ask(Command.DeviceGetRegionIoFds, Wire.Bytes(ref request));
        RegionIoFds header = Wire.Read<RegionIoFds>(answer);
        SubRegionIoFd second = Wire.Read<SubRegionIoFd>(answer.AsSpan(16 + 40));
        Assert.Equal((96u, 2u, 2), (header.ArgumentBytes, header.Count, client.AnswerDescriptors.Count));
        Assert.Equal((0x3004ul, 1u, 0u), (second.Offset, second.DescriptorIndex, second.Type));

        client.AnswerDescriptors[1].Dispose();
        using var kick = EventFd.Wrap(client.AnswerDescriptors[0]);
        guest.Echo("without a message", () => kick.Signal());
        guest.Echo("and again", () => kick.Signal());
    }

    [Fact]
    public void RegionIoFds_TooLittleRoomOrNoKicks_SayWhatThereIs()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        RegionIoFds little = new() { ArgumentBytes = 20 };
        byte[] answer = client.Ask(Command.DeviceGetRegionIoFds, Wire.Bytes(ref little));
        Assert.Equal((16, 96u), (answer.Length, Wire.Read<RegionIoFds>(answer).ArgumentBytes));
        Assert.Empty(client.AnswerDescriptors);

        RegionIoFds other = new() { ArgumentBytes = 4096, Index = 1 };
        Assert.Equal(0u, Wire.Read<RegionIoFds>(client.Ask(Command.DeviceGetRegionIoFds, Wire.Bytes(ref other))).Count);
        other.Index = 9;
        client.AskInVain(Command.DeviceGetRegionIoFds, other);
    }

    [Fact]
    public void ConfigChange_WithMessages_SendsTheMappedVector()
    {
        ProbeDevice device = new();
        using HomeUnderTest home = new(device);
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        device.ChangeConfig();

        Assert.True(SpinWait.SpinUntil(guest.ConfigInterrupt.TryDrain, Client.Patience));
        Assert.False(guest.Interrupt.TryDrain());
    }

    [Fact]
    public void BrokenRing_IsSaidAndAResetMendsIt()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        // The available index of a split ring of 16, far ahead.
        Assert.True(guest.Ram.Memory.TryWrite(new(GuestRam.Areas(0, 16).Driver.Value + 2), [0xff, 0x7f]));
        guest.Driver.Kick(0);

        Assert.True(SpinWait.SpinUntil(guest.ConfigInterrupt.TryDrain, Client.Patience));
        Assert.True(guest.Driver.Status.HasFlag(DeviceStatus.NeedsReset));
        home.ExpectLog("queue 0: IndexJump");
        client.Ask(Command.DeviceReset, []);
        client.Ask(Command.DmaUnmap, Client.UnmapRequest(GuestRam.GuestBase, (ulong)guest.Ram.File.Size));
        guest.Start();
        guest.Echo("after the reset");
    }

    [Fact]
    public void Clients_OneAfterAnother_EachWorks()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        for (int round = 0; round < 5; round++)
        {
            using Client client = home.Agree();
            client.Ask(Command.DeviceReset, []);
            using Guest guest = new(client, isMsix: round % 2 == 0);
            guest.Start(Rings(isPacked: round % 3 == 0));
            guest.Echo($"round {round}");
        }
    }

    [Fact]
    public void Client_ThatComesBack_FindsTheDeviceAsItLeftIt()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client first = home.Agree();
        using Guest guest = new(first);
        guest.Start();
        guest.Echo("before");
        guest.Add("made before, answered after");
        first.Dispose();
        home.ExpectLog("closed the connection");

        using Client second = home.Agree();
        second.Map(GuestRam.GuestBase, (ulong)guest.Ram.File.Size, guest.Ram.File.Handle);
        second.SetIrqs(2, 0, 2, 0x24, guest.ConfigInterrupt, guest.Interrupt);
        Assert.Equal("made before, answered after", guest.Take());
        guest.ExpectInterrupt();
    }

    [Fact]
    public void Client_ThatIsAnother_ReachesNoMemoryBeforeItResets()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client first = home.Agree();
        using Guest old = new(first);
        old.Start();
        old.Echo("before");
        first.Dispose();
        home.ExpectLog("closed the connection");

        using Client second = home.Agree();
        using Guest fresh = new(second);
        fresh.ShareMemory();
        byte[] space = new byte[256];
        second.ReadConfig(0, space);
        second.Ask(Command.DeviceReset, []);
        byte[] ring = new byte[0x10000];
        Assert.True(fresh.Ram.Memory.TryRead(GuestRam.At(0), ring));
        Assert.All(ring, static value => Assert.Equal(0, value));
        Assert.DoesNotContain(home.Log.Lines, static line => line.Contains("needs a reset", StringComparison.Ordinal));
        second.Ask(Command.DmaUnmap, Client.UnmapRequest(0, 0, flags: 2));
        fresh.Start();
        fresh.Echo("a new guest");
    }

    [Fact]
    public void SecondClient_WhileOneIsThere_IsTurnedAway()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client first = home.Agree();
        using Client second = home.Connect();
        second.Send(Command.Version, Client.Version(0, 0, Client.Capabilities));
        second.ExpectClosed();

        first.Settle();
        home.ExpectLog("another client is connected");
    }

    [Fact]
    public void Client_ThatLeavesWithMessagesUnread_DoesNotKeepTheNextOneOut()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        for (int round = 0; round < 50; round++)
        {
            using (Client leaving = home.Agree())
            {
                // More than the server handles in one turn.
                for (int message = 0; message < 150; message++)
                {
                    leaving.Send(Command.RegionRead, Client.AccessRequest(7, 0, 1), flags: HeaderFlags.NoReply);
                }
            }

            using Client next = home.Agree();
            next.Settle();
        }
    }

    [Fact]
    public void Stranger_ThatSaysNothingOrHalfAMessage_DoesNotHoldTheDevice()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client silent = home.Connect();
        using Client halfway = home.Connect();
        halfway.SendRaw(Command.Version, 100, HeaderFlags.None, [0, 0]);
        using Client client = home.Agree();
        client.Settle();
    }

    [Fact]
    public void Client_ThatHangsHalfWay_LosesOnlyItsOwnConnection()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using (Client client = home.Agree())
        {
            client.SendRaw(Command.RegionWrite, 16 + 16 + 4, HeaderFlags.None, [1, 2, 3]);
        }

        home.ExpectLog("in the middle of a message");
        using Client next = home.Agree();
        next.Settle();
    }

    [Fact]
    public void Unmap_OfARunningRing_StopsItUntilItIsBack()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        guest.Echo("while it is there");
        ulong half = (ulong)guest.Ram.File.Size / 2;
        for (int round = 0; round < 3; round++)
        {
            client.Ask(Command.DmaUnmap, Client.UnmapRequest(0, 0, flags: 2));
            guest.Add("made while it is gone");
            guest.Driver.Kick(0);
            client.Map(GuestRam.GuestBase, half, guest.Ram.File.Handle);
            client.Map(GuestRam.GuestBase + half, half, guest.Ram.File.Handle, fileOffset: half);

            Assert.Equal("made while it is gone", guest.Take());
            guest.ExpectInterrupt();
        }

        Assert.False(guest.Driver.Status.HasFlag(DeviceStatus.NeedsReset));
    }

    [Fact]
    public void Unmap_OfARunningRing_IsForgottenWithTheRing()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        client.Ask(Command.DmaUnmap, Client.UnmapRequest(GuestRam.GuestBase, (ulong)guest.Ram.File.Size));
        guest.Driver.Reset();
        guest.Start();
        guest.Echo("it never was gone");
    }

    [Fact]
    public void Ring_ThatNeverWasInMemory_NeedsAReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        PciDriver driver = new(client);
        driver.EnableFunction(useMsix: true);
        driver.Negotiate(FeatureSet.Of(CoreFeature.AccessPlatform));
        driver.EnableQueue(0, GuestRam.Areas(0, 16));
        driver.Start();

        Assert.True(driver.Status.HasFlag(DeviceStatus.NeedsReset));
        home.ExpectLog("needs a reset");
    }

    [Fact]
    public void Function_WithoutVectors_UsesTheLine()
    {
        using HomeUnderTest home = new(new ProbeDevice(), new() { Vectors = 0 });
        using Client client = home.Agree();
        IrqInfo info = client.Ask<IrqInfo, IrqInfo>(
            Command.DeviceGetIrqInfo,
            new() { ArgumentBytes = 16, Index = IrqIndex.Msix }
        );
        Assert.Equal(0u, info.Count);
        using Guest guest = new(client, isMsix: false);
        guest.Start();
        Assert.Equal(0, guest.Driver.VectorCount);
        guest.Echo("by the line");
    }

    [Fact]
    public void Map_WhileRunning_DisturbsNothing()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start(Rings(isPacked: true));
        for (uint round = 0; round < 20; round++)
        {
            guest.Add($"round {round}");
            client.Map(0x1000_0000 + round * 0x1000, 0x1000, guest.Ram.File.Handle);
            guest.Driver.Kick(0);
            Assert.Equal($"round {round}", guest.Take());
        }
    }

    [Fact]
    public void RequestInFlight_WhenMemoryGoes_IsWaitedFor()
    {
        ProbeDevice device = new();
        using HomeUnderTest home = new(device);
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        device.Hold();
        guest.Add("held");
        guest.Driver.Kick(0);
        Assert.True(SpinWait.SpinUntil(() => device.HeldCount == 1, Client.Patience));
        client.Send(Command.DmaUnmap, Client.UnmapRequest(GuestRam.GuestBase, (ulong)guest.Ram.File.Size));
        Thread.Sleep(50);
        Assert.False(client.Drain() && guest.Interrupt.TryDrain());

        device.Release(home.Loops[0], 0);
        Assert.Equal("held", guest.Take());
    }

    private static FeatureSet Rings(bool isPacked) =>
        FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex).WithIf(CoreFeature.RingPacked, isPacked);
}
