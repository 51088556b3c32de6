using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>A guest on <c>vireo net --user</c>: its address comes by DHCP, its files from a server of the host, all of it recorded.</summary>
public sealed class UserTests : GuestTest
{
    /// <summary>Makes /tmp/dhcp, what udhcpc calls with what it has got.</summary>
    internal const string DhcpScript = """
        cat >/tmp/dhcp <<'END'
        #!/bin/sh
        [ "$1" = bound ] || exit 0
        ip address add "$ip/$mask" dev "$interface"
        ip route add default via "$router" dev "$interface"
        END
        chmod +x /tmp/dhcp
        """;

    private const int FileBytes = 10 << 20;

    [Fact]
    public void GuestGetsAnAddressAndDownloads()
    {
        string socket = InScratch("net.sock");
        string recording = InScratch("all.pcapng");
        var network = HostNetwork.StartUser(
            RunProgram,
            StartProgram,
            InScratch("www"),
            "--capture",
            recording,
            "--snap-length",
            "96",
            "--vhost-user",
            socket
        );
        string sum = network.Publish("file", FileBytes);
        Guest guest = BootGuest(new QemuCommand(GuestConfiguration.Default).WithVhostUserNet(socket));

        guest.RunTap(
            $$"""
            {{DhcpScript}}
            fetch() { busybox wget -q -O - "http://$1/file" | md5sum | cut -d' ' -f1; }
            check "the link comes up" ip link set eth0 up
            check "an address by DHCP" busybox udhcpc -i eth0 -n -q -f -t 20 -T 1 -s /tmp/dhcp
            is "over IPv4" "$(fetch {{HostNetwork.UserAddress4}})" {{sum}}
            for try in $(seq 200); do
                if ip -6 address show dev eth0 scope global | grep -v tentative | grep -q 'inet6 fd09:1:'; then break; fi
                sleep 0.1
            done
            is "over IPv6" "$(fetch '[{{HostNetwork.UserAddress6}}]')" {{sum}}
            done_testing
            """
        );
        guest.PowerOff();

        network.Vireo.Signal(UnixSignal.Terminate);
        Assert.Equal(0, network.Vireo.WaitForExit(RigTimeouts.Program));
        string read = RunProgram(GuestArtifacts.Program("nettools", "tcpdump"), "-Z", "root", "-n", "-r", recording);
        Assert.Contains("BOOTP/DHCP, Request", read, StringComparison.Ordinal);
        Assert.Contains($"{HostNetwork.UserAddress4}.80 >", read, StringComparison.Ordinal);
        Assert.Contains($"{HostNetwork.UserAddress6}.80 >", read, StringComparison.Ordinal);
    }
}
