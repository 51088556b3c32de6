using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>Firmware boots a guest from the disk: boot sector, boot loader and kernel are read by the firmware's own virtio driver.</summary>
[TakesLong(40)]
public sealed class BootTests : GuestTest
{
    [Theory]
    [InlineData(GuestFirmware.SeaBios, GuestHome.VhostUser)]
    [InlineData(GuestFirmware.Ovmf, GuestHome.VhostUser)]
    public void FirmwareBootsFromTheDisk(GuestFirmware firmware, GuestHome home)
    {
        GuestConfiguration configuration = GuestConfiguration.Default with
        {
            Firmware = firmware,
            Home = home,
            Cpus = 1,
        };
        string socket = InScratch("disk.sock");
        QemuCommand command = new(configuration) { BootsFromDisk = true };
        string image = CreateBootDisk("boot.raw", command);
        StartVireo(["block", image, .. configuration.HomeArguments(socket)]);

        Guest guest = StartGuest(command.WithServedBlock(socket, isBootDisk: true));
        guest.WaitUntilReady(TimeSpan.FromMinutes(3));

        // Linux drives the same disk that its firmware left behind.
        guest.RunTap(
            """
            check "the boot loader is on the disk" sh -c 'blkid /dev/vda1 | grep vfat'
            is "the signature of its boot sector" "$(dd if=/dev/vda bs=1 skip=510 count=2 status=none | od -An -tx1 | tr -d ' ')" 55aa
            done_testing
            """
        );
        guest.PowerOff();
    }
}
