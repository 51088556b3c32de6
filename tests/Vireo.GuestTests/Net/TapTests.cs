using System.Globalization;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>Linux's virtio_net driver on <c>vireo net --tap</c>: what the host serves arrives whole, whatever was negotiated.</summary>
[TakesLong(110)]
public sealed class TapTests : GuestTest
{
    /// <summary>How many MiB each download has.</summary>
    private const string LengthVariable = "VIREO_NET_FILE_MIB";

    private const int UsualMegabytes = 20;

    /// <summary>A driver that changes the size of its rings resets each queue for it.</summary>
    private const string RingsAreResized = """
        check "the rings are resized" ethtool -G eth0 rx 128 tx 64
        is "as they were asked to" "$(ethtool -g eth0 | sed -n '/^Current/,$s/^\(RX\|TX\):[[:space:]]*//p' | xargs)" "128 64"
        """;

    public static TheoryData<GuestConfiguration, string, string, string> Configurations =>
        new()
        {
            { GuestConfiguration.Default, "", "", "" },
            { GuestConfiguration.Default with { PackedRing = true, Queues = 2 }, "", "", "" },
            { GuestConfiguration.Default with { EventIndex = false }, ",mrg_rxbuf=off", "", "" },
            { GuestConfiguration.VfioUser with { Queues = 2 }, "", "--control-queue", RingsAreResized },
            {
                GuestConfiguration.VfioUser with
                {
                    PackedRing = true,
                    LineInterrupts = true,
                },
                "",
                "--control-queue",
                RingsAreResized
            },
        };

    private static int FileBytes =>
        Environment.GetEnvironmentVariable(LengthVariable) is { } text
            ? int.Parse(text, CultureInfo.InvariantCulture) << 20
            : UsualMegabytes << 20;

    [Theory]
    [MemberData(nameof(Configurations))]
    public void DownloadsAreWhole(GuestConfiguration configuration, string options, string arguments, string resizing)
    {
        string socket = InScratch("net.sock");
        var network = HostNetwork.Start(
            RunProgram,
            StartProgram,
            InScratch("www"),
            [
                "--queue-pairs",
                $"{configuration.Queues}",
                .. configuration.HomeArguments(socket),
                .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            ]
        );
        string sum = network.Publish("file", FileBytes);
        network.AllowLongPackets();
        string busybox = GuestArtifacts.Program("nettools", "busybox");
        // A listener whose own input has ended would hang up at once; one that waits for a writer does not.
        string fifo = InScratch("fifo");
        RunProgram("mkfifo", fifo);
        ChildProcess sink = network.StartInside(
            "/bin/sh",
            "-c",
            $"exec {busybox} nc -l -p 81 0<>{fifo} >{InScratch("up")}"
        );
        Guest guest = BootGuest(new QemuCommand(configuration).WithServedNet(socket, options));

        guest.RunTap(
            $$"""
            ip address add 10.9.0.2/24 dev eth0
            ip address add fd09::2/64 dev eth0 nodad
            check "the link comes up" ip link set eth0 up
            fetch() { busybox wget -q -O - "http://$1/file" | md5sum | cut -d' ' -f1; }
            is "the pairs of queues" "$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)" {{configuration.Queues}}
            is "segmentation by the device" "$(ethtool -k eth0 | grep -c '^tcp-segmentation-offload: on')" 1
            is "over IPv4" "$(fetch {{HostNetwork.Address4}})" {{sum}}
            {{resizing}}
            check "packets of 9,000 bytes" ip link set eth0 mtu 9000
            is "over IPv6" "$(fetch '[{{HostNetwork.Address6}}]')" {{sum}}
            check "packets of 1,500 bytes" ip link set eth0 mtu 1500
            check "offloads go off" ethtool -K eth0 tx off sg off tso off gso off gro off
            is "over IPv4 without offloads" "$(fetch {{HostNetwork.Address4}})" {{sum}}
            head -c 5000000 /dev/urandom >/tmp/up
            check "offloads come back" ethtool -K eth0 tx on sg on tso on gso on gro on
            check "it is sent" busybox nc {{HostNetwork.Address4}} 81 </tmp/up
            md5sum </tmp/up | cut -d' ' -f1 >/host/up.md5
            is "nothing was dropped as wrong" "$(cat /sys/class/net/eth0/statistics/rx_errors)" 0
            done_testing
            """
        );
        guest.PowerOff();

        Assert.Equal(0, sink.WaitForExit(RigTimeouts.Program));
        Assert.Equal(
            File.ReadAllText(Path.Combine(guest.HostFolder, "up.md5")).Trim(),
            HostNetwork.SumOf(File.ReadAllBytes(InScratch("up")))
        );
        network.Vireo.Signal(UnixSignal.Terminate);
        Assert.Equal(0, network.Vireo.WaitForExit(RigTimeouts.Program));
    }
}
