using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>Firmware reads boot sector, kernel and initramfs from a vhost-user disk by its own driver.</summary>
public sealed class FirmwareTests : StorageDaemonTest
{
    [Theory]
    [InlineData(GuestFirmware.SeaBios)]
    [InlineData(GuestFirmware.Ovmf)]
    public void FirmwareBootsFromTheDiskOfQemusStorageDaemon(GuestFirmware firmware)
    {
        var command = new QemuCommand(GuestConfiguration.Default with { Firmware = firmware })
        {
            BootsFromDisk = true,
            HasUserland = false,
        };
        string socket = InScratch("disk.sock");
        StartStorageDaemon(CreateBootDisk("disk.raw", command), socket, queues: 1);

        // OVMF takes the legacy interface of a device that has one, which a vhost-user back-end has not.
        Guest guest = StartGuest(command.WithVhostUserBlock(socket, ",bootindex=0,disable-legacy=on"));
        guest.Console.Expect("GRUB boots Vireo's guest");
        guest.WaitUntilReady();
        guest.Run("test -b /dev/vda1");
        bool isUefi = guest.Run("test -d /sys/firmware/efi && echo yes || echo no").StartsWith('y');
        Assert.Equal(firmware == GuestFirmware.Ovmf, isUefi);
    }
}
