using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>A guest on s390x, whose numbers begin with their highest byte and whose card hangs on channel I/O.</summary>
public sealed class ChannelIoTests : GuestTest
{
    private const string GuestAddress = "10.9.0.2";
    private const int FileBytes = 10 << 20;

    [Fact]
    public void BigEndianGuestGetsAnAddressAndDownloads()
    {
        string socket = InScratch("net.sock");
        string www = InScratch("www");
        GuestConfiguration configuration = GuestConfiguration.S390x with { Queues = 2 };
        var network = HostNetwork.Start(
            RunProgram,
            StartProgram,
            www,
            "--queue-pairs",
            $"{configuration.Queues}",
            "--vhost-user",
            socket
        );
        string sum = network.Publish("file", FileBytes);
        network.ServeBoot(GuestAddress, "file", www);

        Guest guest = BootGuest(new QemuCommand(configuration).WithVhostUserNet(socket));

        guest.RunTap(
            $$"""
            {{UserTests.DhcpScript}}
            fetch() { wget -q -O - "http://$1/file" | md5sum | cut -d' ' -f1; }
            is "its processor" "$(uname -m)" s390x
            check "its card hangs on channel I/O" sh -c 'readlink -f /sys/class/net/eth0 | grep -q /css0/'
            echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
            echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
            ip link set eth0 up
            check "an address by DHCP" udhcpc -i eth0 -n -q -f -t 20 -T 1 -s /tmp/dhcp
            check "it is the one" sh -c 'ip -4 address show dev eth0 | grep -qF {{GuestAddress}}/24'
            check "another address" ip address add fd09::2/64 dev eth0
            is "over IPv4" "$(fetch {{HostNetwork.Address4}})" {{sum}}
            is "over IPv6" "$(fetch '[{{HostNetwork.Address6}}]')" {{sum}}
            is "nothing was dropped as wrong" "$(cat /sys/class/net/eth0/statistics/rx_errors)" 0
            done_testing
            """
        );
        guest.PowerOff();
    }
}
