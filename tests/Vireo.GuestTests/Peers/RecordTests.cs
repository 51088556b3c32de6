using Vireo.Core.Spec;
using Vireo.Drivers.Block;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary><c>vireo record</c> between a driver and a back-end that others wrote, and <c>vireo replay</c> to it and to ours.</summary>
public sealed class RecordTests : PeerTest
{
    [Fact]
    public void AConversationWithTheStorageDaemonIsRecordedAndReplayed()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string theirs = InScratch("theirs.sock");
        string ours = InScratch("ours.sock");
        string front = InScratch("front.sock");
        string recording = InScratch("disk.vhost");
        StartStorageDaemon(image, theirs, queues: 2);
        StartVireo("block", image, "--no-lock", "--queues", "2", "--vhost-user", ours);
        ChildProcess recorder = StartProgram(Repository.VireoProgram, "record", front, theirs, "--output", recording);
        Assert.True(SpinWait.SpinUntil(() => recorder.Output.Lines().Count > 0, RigTimeouts.Program));

        byte[] sector = new byte[512];
        using (var disk = BlockDriver.Open(VhostUserProxy.Connect(front, DeviceType.Block)))
        {
            Array.Fill(sector, (byte)0x5a);
            disk.Write(4096, sector);
            disk.Flush();
        }

        recorder.Signal(UnixSignal.Terminate);
        Assert.Equal(0, recorder.WaitForExit(RigTimeouts.Program));
        // The data went by the recorder, in shared memory.
        Assert.Equal(0x5a, File.ReadAllBytes(image)[4096]);
        string[] lines = File.ReadAllLines(recording);
        Assert.Contains(lines, line => line.Contains("SET_VRING_KICK", StringComparison.Ordinal));

        (int same, ChildProcess replay) = RunVireo("replay", recording, theirs);
        Assert.Equal(0, same);
        Assert.EndsWith("0 answered otherwise", Assert.Single(replay.Output.Lines()), StringComparison.Ordinal);

        (int other, ChildProcess elsewhere) = RunVireo("replay", recording, ours);
        Assert.Equal(1, other);
        Assert.Contains(
            elsewhere.Output.Lines(),
            line => line.Contains("GET_PROTOCOL_FEATURES: answered", StringComparison.Ordinal)
        );
    }
}
