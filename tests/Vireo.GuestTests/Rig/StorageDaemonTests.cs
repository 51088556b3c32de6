using System.Security.Cryptography;
using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>Guests, their userland and vhost-user work with QEMU's own devices: if a test of Vireo fails, it is Vireo.</summary>
public sealed class StorageDaemonTests : StorageDaemonTest
{
    [Fact]
    public void GuestUsesTheDiskOfQemusStorageDaemon()
    {
        GuestConfiguration configuration = GuestConfiguration.Default with { Queues = 2 };
        string image = CreateImage("disk.raw", DiskBytes);
        QemuCommand command = ServeWithStorageDaemon(image, configuration)
            .With("-object", "rng-random,id=random,filename=/dev/urandom")
            .WithVirtioDevice("virtio-rng", ",rng=random");

        Guest guest = BootGuest(command);
        guest.RunTap(
            $$"""
            check "the disk is there" test -b /dev/vda
            is "its size" "$(blockdev --getsize64 /dev/vda)" {{DiskBytes}}
            is "its queues" "$(ls /sys/block/vda/mq | wc -l)" {{configuration.Queues}}
            is "the entropy source" "$(cat /sys/class/misc/hw_random/rng_current)" virtio_rng.0
            is "random bytes" "$(head -c 4096 /dev/hwrng | wc -c)" 4096
            check "it takes a file system" mkfs.ext4 -q /dev/vda
            mkdir /run/disk
            check "which can be mounted" mount /dev/vda /run/disk
            check "and written" cp -r /etc /run/disk/
            head -c 5000000 /dev/urandom >/run/disk/random
            sha256sum </run/disk/random >/host/expected
            check "and unmounted" umount /run/disk
            check "and is clean" e2fsck -fn /dev/vda
            done_testing
            """
        );
        string expected = guest.Run("sha256sum </dev/vda");
        guest.PowerOff();

        // The host sees the bytes the guest wrote.
        string actual = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(image)));
        Assert.StartsWith(actual, expected, StringComparison.Ordinal);
    }

    [Fact]
    public void DiskToolsReachTheStorageDaemonWithoutAGuest()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string socket = InScratch("disk.sock");
        StartStorageDaemon(image, socket, queues: 1);

        // The newest QEMU's tools and those of the Debian 13 release, both through libblkio.
        string options = $"driver=virtio-blk-vhost-user,path={socket},cache.direct=on";
        foreach (
            (string component, string place) in ((string, string)[])
                [("qemu11", "-P 0x5a 1M 64k"), ("qemu10", "-P 0xa5 2M 64k")]
        )
        {
            string write = $"write {place}";
            string read = $"read {place}";
            string qemuIo = GuestArtifacts.Program(component, "qemu-io");
            string output = RunProgram(
                qemuIo,
                "-t",
                "none",
                "--image-opts",
                options,
                "-c",
                write,
                "-c",
                "flush",
                "-c",
                read
            );
            Assert.DoesNotContain("failed", output, StringComparison.OrdinalIgnoreCase);
        }

        byte[] bytes = File.ReadAllBytes(image);
        Assert.Equal(65536, bytes.AsSpan(1 << 20, 65536).Count((byte)0x5a));
        Assert.Equal(65536, bytes.AsSpan(2 << 20, 65536).Count((byte)0xa5));
    }
}
