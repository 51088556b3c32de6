using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>Sudden death of either side: nothing that was flushed is lost, and nothing is left behind.</summary>
[TakesLong(50)]
public sealed class RecoveryTests : GuestTest
{
    private const long DiskBytes = 256L << 20;

    private static readonly GuestConfiguration Configuration = GuestConfiguration.Default with { Cpus = 1 };

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
            [ ! -e /host/stop ] || exit 0
        done
        """;

    /// <summary>Writes files over and over, each synced before its number is printed, until it is told to stop. Keeps their checksums in memory.</summary>
    private const string SyncedFiles = """
        mkfs.ext4 -q -F /dev/vda && mkdir -p /run/disk /run/sums && mount /dev/vda /run/disk || exit 1
        number=0
        until [ -e /host/stop ]; do
            number=$((number + 1))
            name=file$((number % 40))
            dd if=/dev/urandom of=/run/disk/$name bs=50000 count=1 conv=fsync status=none || exit 1
            sha256sum /run/disk/$name >/run/sums/$name
            echo "synced $number"
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
            Guest guest = BootGuest(new QemuCommand(Configuration).WithVhostUserBlock(socket));
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
            new QemuCommand(Configuration).WithVhostUserBlock(socket, reconnect: TimeSpan.FromMilliseconds(200))
        );
        string stop = Path.Combine(guest.HostFolder, "stop");

        GuestCommand writes = guest.Start(FlushedWrites);
        int target = 20;
        int flushed = Number(writes.WaitForLine($"flushed {target}"));
        daemon = KillAndStartAgain(daemon, image, socket, () => AssertBlocksOnDisk(image, flushed));
        target += 30;
        AssertBlocksOnDisk(image, Number(writes.WaitForLine($"flushed {target}")));
        File.WriteAllText(stop, "");
        Assert.Equal(0, writes.Wait().Status);
        File.Delete(stop);

        GuestCommand files = guest.Start(SyncedFiles);
        target = 10;
        for (int kill = 0; kill < FileSystemKills; kill++)
        {
            files.WaitForLine($"synced {target}");
            // Not always at the same moment of a request.
            Thread.Sleep(Random.Shared.Next(50));
            daemon = KillAndStartAgain(daemon, image, socket, static () => { });
            target += 20;
        }

        files.WaitForLine($"synced {target}", TimeSpan.FromMinutes(2));
        File.WriteAllText(stop, "");
        Assert.Equal(0, files.Wait().Status);
        guest.RunTap(
            """
            echo 3 >/proc/sys/vm/drop_caches
            check "each file is what was written last" sh -c 'for sum in /run/sums/*; do sha256sum -c --status $sum || exit 1; done'
            check "the file system is unmounted" umount /run/disk
            check "and clean" e2fsck -fn /dev/vda
            is "the kernel saw no error" "$(dmesg | grep -ciE 'I/O error|EXT4-fs error|EXT4-fs warning')" 0
            done_testing
            """
        );
        guest.PowerOff();
    }

    /// <summary>Kills of the daemon under a file system: two, or as many as VIREO_GUEST_KILLS says.</summary>
    private static int FileSystemKills =>
        Environment.GetEnvironmentVariable("VIREO_GUEST_KILLS") is { Length: > 0 } text ? int.Parse(text) : 2;

    private VireoDaemon KillAndStartAgain(VireoDaemon daemon, string image, string socket, Action whileAway)
    {
        daemon.Kill();
        whileAway();
        // The dead daemon's socket is still in the folder and does not stop the next one.
        Assert.True(File.Exists(socket));
        return StartVireo("block", image, "--vhost-user", socket);
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
