using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.VfioUser;

/// <summary>A machine that shares no memory: QEMU answers the device's DMA_READ and DMA_WRITE.</summary>
[TakesLong(30)]
public sealed class DistantMemoryTests : GuestTest
{
    [Fact]
    public void MachineThatSharesNoMemory_UsesDiskAndEntropy()
    {
        GuestConfiguration configuration = GuestConfiguration.VfioUser with { SharedMemory = false };
        string disk = InScratch("disk.sock");
        string entropy = InScratch("rng.sock");
        string image = CreateImage("disk.raw", 64 << 20);
        // One layout of rings each; the firmware looks at the disk, too.
        StartVireo("block", image, "--vfio-user", disk, "--ring", "packed", "--serial", "far-away");
        StartVireo("entropy", "--vfio-user", entropy, "--ring", "split");

        Guest guest = BootGuest(
            new QemuCommand(configuration).WithServedBlock(disk).WithServedEntropy(entropy, configuration)
        );

        guest.RunTap(
            """
            is "its serial number" "$(cat /sys/block/vda/serial)" far-away
            check "it takes a file system" mkfs.ext4 -q /dev/vda
            mkdir -p /tmp/mnt
            mount /dev/vda /tmp/mnt
            head -c 8M /dev/urandom >/tmp/given
            cp /tmp/given /tmp/mnt/copy
            umount /tmp/mnt
            check "the file system is sound" fsck.ext4 -fn /dev/vda
            echo 3 >/proc/sys/vm/drop_caches
            mount -o ro /dev/vda /tmp/mnt
            check "what was copied is there" cmp /tmp/mnt/copy /tmp/given
            umount /tmp/mnt

            echo virtio_rng.0 >/sys/class/misc/hw_random/rng_current
            head -c 65536 /dev/hwrng >/tmp/random
            check "random bytes do not compress" [ "$(gzip -9 </tmp/random | wc -c)" -gt 65000 ]

            device=$(basename "$(readlink -f /sys/block/vda/device/..)")
            echo "$device" >/sys/bus/pci/drivers/virtio-pci/unbind
            check "the disk is gone" sh -c '! test -b /dev/vda'
            echo "$device" >/sys/bus/pci/drivers/virtio-pci/bind
            i=0
            until [ -b /dev/vda ] || [ $i -gt 200 ]; do i=$((i + 1)); sleep 0.1; done
            check "it is back with what it held" fsck.ext4 -fn /dev/vda
            done_testing
            """
        );
        guest.PowerOff();
    }
}
