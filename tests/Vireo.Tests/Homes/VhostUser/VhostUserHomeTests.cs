using Vireo.Core.Spec;
using Vireo.Devices.Entropy;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;
using Vireo.Tests.Fakes;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

public sealed class VhostUserHomeTests
{
    [Fact]
    public void Run_DeviceInFiveLines_ServesAndEnds()
    {
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        using EntropyDevice device = new(new CountingEntropy());
        using var home = VhostUserHome.Listen(folder["rng.sock"], device, loops);
        Thread thread = new(home.Run);
        thread.Start();

        using var frontEnd = FrontEnd.Connect(folder["rng.sock"]);
        frontEnd.Negotiate();
        Assert.Equal(1ul, frontEnd.Ask(FrontEndRequest.GetQueueCount));

        home.Stop();
        Assert.True(thread.Join(FrontEnd.Patience));
        frontEnd.ExpectClosed();
    }

    [Fact]
    public void Dispose_AfterRun_RemovesTheSocket()
    {
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        using ProbeDevice device = new();
        var home = VhostUserHome.Listen(folder["home.sock"], device, loops);
        Assert.True(File.Exists(folder["home.sock"]));

        home.Dispose();

        Assert.False(File.Exists(folder["home.sock"]));
    }

    [Fact]
    public void Stop_BeforeRun_MakesRunReturn()
    {
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        using ProbeDevice device = new();
        using var home = VhostUserHome.Listen(folder["home.sock"], device, loops);

        home.Stop();
        home.Run();
    }

    [Fact]
    public void Ring_EchoThroughSharedMemory_AnswersAndCalls()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        using GuestRam ram = new();
        frontEnd.Accept();
        ram.Share(frontEnd);
        using TestRing ring = ram.Start(frontEnd);

        ring.Echo("first");
        ring.Echo("second");

        Assert.True(SpinWait.SpinUntil(ring.Call.TryDrain, FrontEnd.Patience));
    }

    [Fact]
    public void Connections_OneAfterAnother_EachWorks()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using GuestRam ram = new();
        for (int round = 0; round < 5; round++)
        {
            using FrontEnd frontEnd = home.Negotiate();
            frontEnd.Accept();
            ram.Share(frontEnd);
            using TestRing ring = ram.Start(frontEnd);
            ring.Echo($"round {round}");
        }
    }

    [Fact]
    public void SecondFrontEnd_WhileOneIsConnected_IsTurnedAway()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd first = home.Negotiate();
        using FrontEnd second = home.Connect();

        second.Send(FrontEndRequest.GetFeatures);

        second.ExpectClosed();
        home.ExpectLog("was turned away: another front-end is connected");
        first.Settle();
    }

    [Fact]
    public void FrontEnd_ThatLeavesWithMessagesUnread_DoesNotKeepTheNextOneOut()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        for (int round = 0; round < 50; round++)
        {
            using (FrontEnd leaving = home.Negotiate())
            {
                // More than the back-end handles in one turn.
                for (int message = 0; message < 150; message++)
                {
                    leaving.Send(FrontEndRequest.SetOwner);
                }
            }

            using FrontEnd next = home.Negotiate();
            next.Settle();
        }
    }

    [Fact]
    public void Strangers_SayingNothing_DoNotKeepAFrontEndOut()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        List<FrontEnd> strangers = [.. Enumerable.Range(0, 40).Select(_ => home.Connect())];

        using FrontEnd frontEnd = home.Negotiate();
        frontEnd.Settle();

        strangers[0].ExpectClosed();
        strangers.ForEach(static stranger => stranger.Dispose());
        frontEnd.Settle();
    }

    [Fact]
    public void Stranger_HangingInItsFirstMessage_DoesNotKeepAFrontEndOut()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd hanging = home.Connect();
        hanging.SendStream([1, 0, 0]);

        using FrontEnd frontEnd = home.Negotiate();

        frontEnd.Settle();
    }

    [Fact]
    public void FrontEnd_HangingInAMessage_DoesNotStopItsRings()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        using GuestRam ram = new();
        frontEnd.Accept();
        ram.Share(frontEnd);
        using TestRing ring = ram.Start(frontEnd);
        byte[] half = [(byte)FrontEndRequest.SetRingEnable, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0];

        frontEnd.SendStream(half);

        ring.Echo("while it hangs");
        frontEnd.SendStream([0, 0, 1, 0, 0, 0]);
        frontEnd.Settle();
    }

    [Fact]
    public void FrontEnd_GoneInAMessage_LeavesRoomForTheNext()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using (FrontEnd frontEnd = home.Negotiate())
        {
            frontEnd.SendStream([(byte)FrontEndRequest.SetFeatures, 0, 0]);
        }

        home.ExpectLog("went away in the middle of a message");
        using FrontEnd next = home.Negotiate();
        next.Settle();
    }

    [Fact]
    public void FrontEnd_GoneWhileRingsRun_StopsThem()
    {
        ProbeDevice device = new();
        using HomeUnderTest home = new(device);
        using GuestRam ram = new();
        using (FrontEnd frontEnd = home.Negotiate())
        {
            frontEnd.Accept();
            ram.Share(frontEnd);
            using TestRing ring = ram.Start(frontEnd);
            ring.Echo("before");
        }

        home.ExpectLog("has closed the connection");
        using FrontEnd next = home.Negotiate();
        next.Settle();
        Assert.True(device.ResetCount > 0);
    }

    [Fact]
    public void Connect_FrontEndThatListensLater_IsFoundAndFoundAgain()
    {
        using TemporaryFolder folder = new();
        using var loops = EventLoopGroup.Start(1);
        using ProbeDevice device = new();
        RecordedLog log = new();
        using var home = VhostUserHome.Connect(folder["front.sock"], device, loops, new() { Logger = log });
        Thread thread = new(home.Run);
        thread.Start();
        Assert.True(SpinWait.SpinUntil(() => log.Holds("cannot connect"), FrontEnd.Patience));

        using var listener = UnixListener.Listen(folder["front.sock"]);
        for (int round = 0; round < 2; round++)
        {
            UnixChannel? channel = null;
            Assert.True(SpinWait.SpinUntil(() => (channel = listener.TryAccept()) is not null, FrontEnd.Patience));
            using FrontEnd frontEnd = new(channel!);
            frontEnd.Negotiate();
        }

        home.Stop();
        Assert.True(thread.Join(FrontEnd.Patience));
    }

    [Fact]
    public void Serve_ConnectionThatWasGiven_EndsWithIt()
    {
        using var loops = EventLoopGroup.Start(1);
        using ProbeDevice device = new();
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
        using var home = VhostUserHome.Serve(ours, device, loops);
        Thread thread = new(home.Run);
        thread.Start();
        using (FrontEnd frontEnd = new(theirs))
        {
            frontEnd.Negotiate();
        }

        Assert.True(thread.Join(FrontEnd.Patience));
    }

    [Fact]
    public void Fault_AvailableIndexJumps_SignalsTheErrorAndNeedsReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        using GuestRam ram = new();
        frontEnd.Accept();
        ram.Share(frontEnd);
        using TestRing ring = ram.Start(frontEnd);

        // An index that no driver can have reached: more is available than the ring has entries.
        Assert.True(ram.Memory.TryWrite(GuestRam.Areas(0, ring.Size).Driver + SplitRing.IndexOffset, [0xff, 0x7f]));
        ring.Kick.Signal();

        Assert.True(SpinWait.SpinUntil(ring.Error.TryDrain, FrontEnd.Patience));
        home.ExpectLog("the driver broke queue 0: IndexJump");
        Assert.NotEqual(0ul, frontEnd.Ask(FrontEndRequest.GetStatus) & (ulong)DeviceStatus.NeedsReset);
    }
}
