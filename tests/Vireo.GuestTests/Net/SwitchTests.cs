using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>Two guests on <c>vireo switch</c>, one whose card leaves work to it and one whose card does not.</summary>
public sealed class SwitchTests : GuestTest
{
    [Fact]
    public void GuestsDownloadFromEachOther()
    {
        string first = InScratch("first.sock");
        string second = InScratch("second.sock");
        ChildProcess center = StartProgram(
            Repository.VireoProgram,
            "switch",
            "--guest",
            first,
            "--guest",
            $"{second},offloads=off"
        );
        center.WaitForOutput("ready", RigTimeouts.Program);
        Guest left = BootGuest(
            new QemuCommand(GuestConfiguration.Default with { Cpus = 1 }).WithVhostUserNet(
                first,
                ",mac=52:54:00:00:00:01"
            )
        );
        Guest right = BootGuest(
            new QemuCommand(GuestConfiguration.Default with { Cpus = 1, PackedRing = true }).WithVhostUserNet(
                second,
                ",mac=52:54:00:00:00:02"
            )
        );
        left.Run(Prepare(1));
        right.Run(Prepare(2));
        string leftSum = left.Run("md5sum </tmp/www/file | cut -d' ' -f1").Trim();
        string rightSum = right.Run("md5sum </tmp/www/file | cut -d' ' -f1").Trim();

        left.RunTap(Download(2, rightSum));
        right.RunTap(Download(1, leftSum));
        left.PowerOff();
        right.PowerOff();

        center.Signal(UnixSignal.Terminate);
        center.WaitForOutput("second.sock: ", RigTimeouts.Program);
        Assert.Equal(0, center.WaitForExit(RigTimeouts.Program));
    }

    private static string Prepare(int number) =>
        $$"""
            ip link set lo up
            ip link set eth0 mtu 9000
            ip address add 10.9.2.{{number}}/24 dev eth0
            ip address add fd09:2::{{number}}/64 dev eth0 nodad
            ip link set eth0 up
            mkdir -p /tmp/www
            head -c 5000000 /dev/urandom >/tmp/www/file
            busybox httpd -p '[::]:80' -h /tmp/www
            """;

    private static string Download(int from, string sum) =>
        $$"""
            fetch() { busybox wget -q -O - "http://$1/file" | md5sum | cut -d' ' -f1; }
            is "large packets" "$(cat /sys/class/net/eth0/mtu)" 9000
            is "over IPv4" "$(fetch 10.9.2.{{from}})" {{sum}}
            is "over IPv6" "$(fetch '[fd09:2::{{from}}]')" {{sum}}
            check "usual packets" ip link set eth0 mtu 1500
            is "over IPv4 in usual packets" "$(fetch 10.9.2.{{from}})" {{sum}}
            check "large packets again" ip link set eth0 mtu 9000
            is "nothing was dropped as wrong" "$(cat /sys/class/net/eth0/statistics/rx_errors)" 0
            done_testing
            """;
}
