using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>A tree of files as people have them. A class of its own because it takes longest.</summary>
[TakesLong(160)]
public sealed class TreeTests : BlockTest
{
    private static readonly TimeSpan CopyTimeout = TimeSpan.FromMinutes(6);

    [Fact]
    public void TreeSurvivesRebootAndIsWholeOnTheHost()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        GuestConfiguration configuration = GuestConfiguration.Default with { Queues = 4 };
        (Guest guest, _) = BootWithDisk(image, configuration);

        // A tree as people have them (programs, libraries, links, modes) and incompressible files besides.
        guest.RunTap(
            """
            check "the disk takes a file system" mkfs.ext4 -q -E lazy_itable_init=0 /dev/vda
            mkdir /run/disk
            check "which is mounted" mount /dev/vda /run/disk
            check "a tree is copied" cp -a /usr /run/disk/usr
            mkdir /run/disk/random
            (cd /run/disk/random && head -c 120000000 /dev/urandom | split -b 60000 -a 4)
            check "at least 2000 files" [ "$(find /run/disk -type f | wc -l)" -ge 2000 ]
            check "at least 200 MB" [ "$(du -sm /run/disk | cut -f1)" -ge 200 ]
            (cd /run/disk && find . -type f -print0 | sort -z | xargs -0 sha256sum >/host/checksums)
            check "all is synced" sync
            done_testing
            """,
            CopyTimeout
        );

        // The machine is reset; the daemon is not told and not restarted.
        guest.Reboot();
        guest.RunTap(
            """
            check "the file system is clean" e2fsck -fn /dev/vda
            mkdir -p /run/disk
            check "it is mounted again" mount -o ro /dev/vda /run/disk
            check "every file is as it was" sh -c 'cd /run/disk && sha256sum --quiet -c /host/checksums'
            check "and unmounted" umount /run/disk
            done_testing
            """,
            CopyTimeout
        );
        guest.PowerOff();

        HostFiles.AssertCleanAndEqual(RunProgram, image, Path.Combine(guest.HostFolder, "checksums"), Scratch);
    }
}
