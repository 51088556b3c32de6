using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>Sudden death of either side: nothing that was flushed is lost, and nothing is left behind.</summary>
[TakesLong(50)]
public sealed class RecoveryTests : GuestTest
{
    private const long DiskBytes = 256L << 20;

    /// <summary>
    /// Writes numbered blocks one after the other, each flushed before its number is printed: a number that was printed must be
    /// found on the disk, whatever happens afterwards.
    /// </summary>
    private const string FlushedWrites = """
        number=0
        while [ $number -lt 20000 ]; do
            number=$((number + 1))
            printf 'block %08d\n' $number | dd of=/dev/vda bs=4096 seek=$number conv=sync,notrunc,fdatasync status=none || exit 1
            echo "flushed $number"
        done
        """;

    [Fact]
    public void KillOfQemuLosesNothingFlushedAndTheNextGuestWorks()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string socket = InScratch("disk.sock");
        VireoDaemon daemon = StartVireo("block", image, "--vhost-user", socket);
        int descriptors = daemon.CountDescriptors();

        for (int round = 0; round < 2; round++)
        {
            Guest guest = BootGuest(new QemuCommand(GuestConfiguration.Default).WithVhostUserBlock(socket));
            GuestCommand writes = guest.Start(FlushedWrites);
            int flushed = Number(writes.WaitForLine("flushed 25"));
            guest.Kill();
            AssertBlocksOnDisk(image, flushed);
        }

        AssertDescriptors(daemon, descriptors);
        daemon.Stop();
        Assert.False(File.Exists(socket), "the socket is left behind");
    }

    [Fact]
    public void KillOfTheDaemonLosesNothingFlushedAndTheGuestGoesOn()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string socket = InScratch("disk.sock");
        VireoDaemon daemon = StartVireo("block", image, "--vhost-user", socket);
        Guest guest = BootGuest(
            new QemuCommand(GuestConfiguration.Default).WithVhostUserBlock(
                socket,
                reconnect: TimeSpan.FromMilliseconds(200)
            )
        );
        GuestCommand writes = guest.Start(FlushedWrites);
        int target = 20;
        for (int round = 0; round < 3; round++)
        {
            int flushed = Number(writes.WaitForLine($"flushed {target}"));
            daemon.Kill();
            AssertBlocksOnDisk(image, flushed);

            // The dead daemon's socket is still in the folder and does not stop the next one.
            Assert.True(File.Exists(socket));
            daemon = StartVireo("block", image, "--vhost-user", socket);
            target += 30;
        }

        int last = Number(writes.WaitForLine($"flushed {target}"));
        AssertBlocksOnDisk(image, last);
    }

    private static int Number(string line) => int.Parse(line.Split(' ')[1]);

    private static void AssertBlocksOnDisk(string image, int count)
    {
        using FileStream file = new(image, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Span<byte> block = stackalloc byte[14];
        for (int number = 1; number <= count; number++)
        {
            file.Position = number * 4096L;
            file.ReadExactly(block);
            Assert.Equal($"block {number:d8}", System.Text.Encoding.ASCII.GetString(block));
        }
    }

    private static void AssertDescriptors(VireoDaemon daemon, int expected)
    {
        bool settled = SpinWait.SpinUntil(() => daemon.CountDescriptors() == expected, TimeSpan.FromSeconds(5));
        Assert.True(settled, $"{expected} descriptors before, now: {string.Join(", ", daemon.ListDescriptors())}");
    }
}
