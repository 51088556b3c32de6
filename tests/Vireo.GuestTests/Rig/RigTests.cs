using System.Security.Cryptography;
using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>The rig tells the truth: guests, their userland and vhost-user work with QEMU's own devices, and what is wrong is seen.</summary>
public sealed class RigTests : GuestTest
{
    private const int DiskBytes = 64 << 20;

    public static TheoryData<GuestConfiguration> Configurations =>
        [
            GuestConfiguration.Default with
            {
                Queues = 2,
            },
            GuestConfiguration.OldQemu,
            GuestConfiguration.MicroVm with
            {
                Queues = 2,
            },
        ];

    [Theory]
    [MemberData(nameof(Configurations))]
    public void GuestUsesTheDiskOfQemusStorageDaemon(GuestConfiguration configuration)
    {
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

    [Fact]
    public void WhatIsWrongIsSeen()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        Guest guest = BootGuest(ServeWithStorageDaemon(image, GuestConfiguration.Default));

        // A byte the guest did not write.
        string before = guest.Run("sha256sum </dev/vda");
        guest.Run("echo wrong | dd of=/dev/vda bs=1 seek=4096 conv=fsync,notrunc status=none");
        string script = $"is checksum \"$(sha256sum </dev/vda)\" '{before}'\ndone_testing";
        GuestException wrong = Assert.Throws<GuestException>(() => guest.RunTap(script));
        Assert.Contains("not ok 1 - checksum", wrong.Message, StringComparison.Ordinal);
        Assert.Contains(Repository.Transcripts, wrong.Message, StringComparison.Ordinal);

        // A script that fails, one that reports nothing, one that stops half way, one that hangs.
        GuestException failed = Assert.Throws<GuestException>(() => guest.Run("ls /not-there"));
        Assert.Contains("status 2", failed.Message, StringComparison.Ordinal);
        Assert.Throws<GuestException>(() => guest.RunTap("true"));
        Assert.Throws<GuestException>(() => guest.RunTap("check good true; exit 0"));
        GuestCommand hangs = guest.Start("echo before; sleep 1000");
        Assert.Equal("before", hangs.WaitForLine("before"));
        GuestException late = Assert.Throws<GuestException>(() => hangs.Wait(TimeSpan.FromSeconds(1)));
        Assert.Contains("did not end", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GuestRebootsPanicsAndIsKilled()
    {
        // No userland: a guest of busybox alone.
        Guest guest = BootGuest(new QemuCommand(GuestConfiguration.Default) { HasUserland = false });
        guest.Run("echo left >/run/file; test -e /run/file");
        guest.Reboot();
        guest.Run("! test -e /run/file");
        Assert.Equal("running", guest.Monitor.Execute("query-status").GetProperty("status").GetString());

        GuestCommand panics = guest.Start("echo 8 >/proc/sys/kernel/printk; echo c >/proc/sysrq-trigger; sleep 100");
        guest.Console.Expect("Kernel panic");
        guest.WaitUntilReady();
        guest.Kill();
        GuestException gone = Assert.Throws<GuestException>(() => panics.Wait());
        Assert.Contains("QEMU has ended", gone.Message, StringComparison.Ordinal);
        Assert.Contains("panicked", gone.Message, StringComparison.Ordinal);
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

    private QemuCommand ServeWithStorageDaemon(string image, GuestConfiguration configuration)
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(image, socket, configuration.Queues);
        return new QemuCommand(configuration).WithVhostUserBlock(socket);
    }

    private void StartStorageDaemon(string image, string socket, int queues)
    {
        string pidFile = InScratch("daemon.pid");
        string program = GuestArtifacts.Program("qemu11", "qemu-storage-daemon");
        StartProgram(program, StorageDaemon.Arguments(image, socket, queues, pidFile));
        Assert.True(StorageDaemon.WaitUntilReady(pidFile, RigTimeouts.Program), "The storage daemon does not start.");
    }
}
