using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>What only a PCI function of its own goes through: drivers come and go, so does power, and so does the function.</summary>
public sealed class FunctionTests : BlockTest
{
    /// <summary>Shell functions: waiting for the disk to come or go, leaving a megabyte on it, and finding it again.</summary>
    private const string Helpers = """
        function_of() { basename "$(readlink -f "/sys/block/$1/device/..")"; }
        wait_for_disk() { for _ in $(seq 100); do [ -b /dev/vda ] && return 0; sleep 0.1; done; return 1; }
        no_disk() { for _ in $(seq 100); do [ -e /dev/vda ] || return 0; sleep 0.1; done; return 1; }
        leave() { head -c 1048576 /dev/urandom >/run/mark && dd if=/run/mark of=/dev/vda bs=64k seek=$1 oflag=direct status=none; }
        found() { dd if=/dev/vda bs=64k skip=$1 count=16 iflag=direct status=none | cmp - /run/mark; }
        """;

    [Fact]
    public void FunctionSurvivesItsDriverAndTheGuest()
    {
        GuestConfiguration configuration = GuestConfiguration.VfioUser with { Queues = 2 };
        (Guest guest, VireoDaemon daemon) = BootWithDisk(CreateImage("disk.raw", DiskBytes), configuration);
        guest.RunTap(
            $$"""
            {{Helpers}}
            function=$(function_of vda)
            check "every queue has a message of its own" [ "$(ls /sys/bus/pci/devices/$function/msi_irqs | wc -l)" -eq 3 ]
            check "the disk is written" leave 0
            driver=/sys/bus/pci/drivers/virtio-pci
            for round in 1 2 3; do
                echo "$function" >$driver/unbind
                check "without a driver there is no disk" no_disk
                echo "$function" >$driver/bind
                check "with a driver it is back" wait_for_disk
                check "and holds what was written" found 0
            done
            echo 1 >/sys/bus/pci/devices/$function/reset
            echo "$function" >$driver/unbind
            echo "$function" >$driver/bind
            check "it is there after a reset of the function" wait_for_disk
            check "and holds what was written after a reset" found 0
            done_testing
            """
        );

        guest.Reboot();
        guest.RunTap(
            $"""
            {Helpers}
            check "after a reboot the disk is written" leave 200
            check "and read" found 200
            done_testing
            """
        );
        guest.PowerOff();
        Assert.DoesNotContain(
            daemon.Process.Errors.Lines(),
            line => line.Contains("needs a reset", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void FunctionSleepsWithTheGuest()
    {
        string socket = InScratch("disk.sock");
        string image = CreateImage("disk.raw", DiskBytes);
        StartVireo(["block", image, .. GuestConfiguration.VfioUser.HomeArguments(socket)]);
        // Without userland: Linux' driver of the 9p shares does not come back from sleep, whoever serves them.
        QemuCommand command = new(GuestConfiguration.VfioUser) { HasUserland = false, StartsLikePcs = true };
        Guest guest = BootGuest(command.WithServedBlock(socket));
        // One script, because Linux' serial port hears nothing any more after sleep.
        GuestCommand script = guest.Start(
            $$"""
            . /run/vireo/tap
            {{Helpers}}
            check "the disk is written" leave 0
            echo deep >/sys/power/mem_sleep
            echo mem >/sys/power/state
            check "the disk holds what was written before" found 0
            check "it is written" leave 100
            check "and read" found 100
            done_testing
            """
        );
        _ = guest.Monitor.WaitForEvent("SUSPEND");
        _ = guest.Monitor.Execute("system_wakeup");

        (int status, IReadOnlyList<string> output) = script.Wait();
        var report = TapReport.Parse(output);
        Assert.True(status == 0 && report.IsGood, report.Describe());
    }

    [Fact]
    public void FunctionComesAndGoesWhileTheGuestRuns()
    {
        string socket = InScratch("disk.sock");
        string image = CreateImage("disk.raw", DiskBytes);
        // Without MSI-X, because QEMU 11.1 ends with an assertion when a function that has it is unplugged.
        string[] home = [.. GuestConfiguration.VfioUser.HomeArguments(socket), "--vectors", "0"];
        // Linux waits for the answer to a command before the disk appears.
        VireoDaemon daemon = StartVireo(["block", image, .. home, "--admin-queue"]);
        int descriptors = 0;
        Guest guest = BootGuest(
            new QemuCommand(GuestConfiguration.VfioUser).With("-device", "pcie-root-port,id=hole,slot=1")
        );
        for (int round = 0; round < 2; round++)
        {
            _ = guest.Monitor.Execute(
                "device_add",
                QemuCommand.VfioUserDevice(socket, ",\"id\":\"disk\",\"bus\":\"hole\"")
            );
            guest.RunTap(
                $"""
                {Helpers}
                check "the disk appears" wait_for_disk
                is "ADMIN_VQ is accepted" "$(cut -c 42 /sys/block/vda/device/features)" 1
                check "it is written" leave {round * 16}
                check "and read" found {round * 16}
                done_testing
                """
            );
            _ = guest.Monitor.Execute("device_del", """{"id":"disk"}""");
            _ = guest.Monitor.WaitForEvent("DEVICE_DELETED");
            guest.RunTap(
                $"""
                {Helpers}
                check "the disk disappears" no_disk
                done_testing
                """
            );
            // The runtime loads what the first client needs, so the first round says how many there are to be.
            _ = daemon.Process.Errors.WaitFor(IsFarewell, 0, RigTimeouts.Program);
            bool isSettled = SpinWait.SpinUntil(
                () => round == 0 || daemon.CountDescriptors() == descriptors,
                TimeSpan.FromSeconds(5)
            );
            Assert.True(isSettled, $"{descriptors} before, now: {string.Join(", ", daemon.ListDescriptors())}");
            descriptors = daemon.CountDescriptors();
        }

        guest.PowerOff();
    }

    private static bool IsFarewell(string line) => line.Contains("closed the connection", StringComparison.Ordinal);
}
