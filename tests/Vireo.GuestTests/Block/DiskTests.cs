using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>Linux's virtio_blk driver with a file system on <c>vireo block</c>: what was synced is there, for guest and host.</summary>
[TakesLong(120)]
public sealed class DiskTests : BlockTest
{
    /// <summary>The disks of each guest; what is the same for all of one guest, such as the machine, is that of the first.</summary>
    public static TheoryData<GuestConfiguration[]> Guests =>
        [
            new([
                GuestConfiguration.Default with
                {
                    EventIndex = false,
                    IndirectDescriptors = false,
                },
                GuestConfiguration.Default with
                {
                    PackedRing = true,
                    Queues = 2,
                },
                GuestConfiguration.VfioUser with
                {
                    PackedRing = true,
                    Queues = 2,
                },
            ]),
            new([GuestConfiguration.OldQemu]),
            new([GuestConfiguration.MicroVm with { Queues = 2 }]),
            new([GuestConfiguration.MicroVmSeaBios]),
        ];

    [Theory]
    [MemberData(nameof(Guests))]
    public void DisksKeepWhatIsWritten(GuestConfiguration[] disks)
    {
        QemuCommand command = new(disks[0]);
        string[] images = new string[disks.Length];
        foreach ((int index, GuestConfiguration disk) in disks.Index())
        {
            images[index] = CreateImage($"disk{index}.raw", DiskBytes);
            command.WithServedBlock(ServeDisk(images[index], disk, $"disk{index}").Socket, disk);
        }

        Guest guest = BootGuest(command);
        guest.RunTap(
            $$"""
            mkdir /run/given /run/disk
            (cd /run/given && head -c 20000000 /dev/urandom | split -b 50000 -a 4)
            (cd /run/given && find . -type f -print0 | sort -z | xargs -0 sha256sum >/host/checksums)
            for disk in $(ls -d /sys/block/vd*); do
                disk=/dev/${disk##*/}
                is "the size of $disk" "$(blockdev --getsize64 $disk)" {{DiskBytes}}
                check "it takes a file system" mkfs.ext4 -q $disk
                check "which is mounted" mount $disk /run/disk
                check "and written" cp -r /run/given/. /run/disk
                check "and unmounted" umount /run/disk
                check "and clean" e2fsck -fn $disk
            done
            done_testing
            """
        );
        guest.PowerOff();

        foreach (string image in images)
        {
            HostFiles.AssertCleanAndEqual(
                RunProgram,
                image,
                Path.Combine(guest.HostFolder, "checksums"),
                InScratch($"{Path.GetFileName(image)}.files")
            );
        }
    }

    [Fact]
    public void EveryQueueCarriesRequests()
    {
        // Linux makes no more queues than it has processors, and uses those of the processors that run.
        GuestConfiguration configuration = GuestConfiguration.Default with
        {
            Queues = 4,
            Cpus = 4,
        };
        (VireoDaemon daemon, string socket) = ServeDisk(CreateImage("disk.raw", DiskBytes), configuration, "disk");
        Guest guest = BootGuest(new QemuCommand(configuration) { HasUserland = false }.WithServedBlock(socket));
        guest.RunTap(
            """
            is "the queues" "$(ls /sys/block/vda/mq | wc -l)" 4
            for cpu in 0 1 2 3; do
                check "processor $cpu writes" taskset -c $cpu dd if=/dev/zero of=/dev/vda bs=4k count=64 seek=$((cpu * 64)) oflag=direct
            done
            done_testing
            """
        );
        guest.PowerOff();
        daemon.Stop();

        for (int queue = 0; queue < 4; queue++)
        {
            // The daemon says when it stops a queue how many requests it carried; the last stop is that of Linux's queue.
            string part = $"queue {queue} stopped after ";
            string line = daemon.Process.Errors.Lines().Last(text => text.Contains(part, StringComparison.Ordinal));
            string count = line[(line.IndexOf(part, StringComparison.Ordinal) + part.Length)..].Split(' ')[0];
            Assert.InRange(int.Parse(count), 64, int.MaxValue);
        }
    }

    [Fact]
    public void ReadOnlyDiskRefusesWrites()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        File.SetAttributes(image, FileAttributes.ReadOnly);
        string socket = InScratch("disk.sock");
        StartVireo("block", image, "--read-only", "--vhost-user", socket);
        Guest guest = BootGuest(
            new QemuCommand(GuestConfiguration.Default with { Cpus = 1 }) { HasUserland = false }.WithVhostUserBlock(
                socket
            )
        );
        guest.RunTap(
            """
            is "the disk says so" "$(cat /sys/block/vda/ro)" 1
            check "it can be read" dd if=/dev/vda of=/dev/null bs=1M count=4
            check "it cannot be written" sh -c '! dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct'
            done_testing
            """
        );
        guest.PowerOff();
    }
}
