using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>Linux with a file system on a qcow2 image that Vireo made and serves.</summary>
public sealed class Qcow2GuestTests : BlockTest
{
    [Fact]
    public void FileSystemOnAnImageIsWholeForGuestHostAndQemu()
    {
        string image = InScratch("disk.qcow2");
        Assert.Equal(0, RunVireo("image", "create", image, $"{DiskBytes}").Status);
        (Guest guest, VireoDaemon daemon) = BootWithDisk(image, GuestConfiguration.Default with { Queues = 2 });

        guest.RunTap(
            """
            check "the disk takes a file system" mkfs.ext4 -q -E lazy_itable_init=0 /dev/vda
            mkdir /run/disk
            check "which is mounted" mount -o discard /dev/vda /run/disk
            check "a tree is copied" cp -a /etc /run/disk/
            (cd /run/disk && head -c 30000000 /dev/urandom | split -b 100000 -a 4 - random)
            sync
            check "some of it is removed" sh -c 'rm /run/disk/random*a'
            check "what is free is discarded" fstrim /run/disk
            (cd /run/disk && find . -type f -print0 | sort -z | xargs -0 sha256sum >/host/checksums)
            check "it is unmounted" umount /run/disk
            check "the file system is clean" e2fsck -fn /dev/vda
            check "it is mounted again" mount -o ro /dev/vda /run/disk
            check "every file is as it was" sh -c 'cd /run/disk && sha256sum --quiet -c /host/checksums'
            umount /run/disk
            done_testing
            """
        );
        guest.PowerOff();
        daemon.Stop();

        string qemuImg = GuestArtifacts.Program("qemu11", "qemu-img");
        RunProgram(qemuImg, "check", "-f", "qcow2", image);
        string raw = InScratch("disk.raw");
        RunProgram(qemuImg, "convert", "-f", "qcow2", "-O", "raw", image, raw);
        HostFiles.AssertCleanAndEqual(RunProgram, raw, Path.Combine(guest.HostFolder, "checksums"), Scratch);
    }
}
