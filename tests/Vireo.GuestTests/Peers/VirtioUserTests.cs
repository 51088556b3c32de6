using System.Diagnostics;
using System.Globalization;
using Vireo.Devices.Net;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>DPDK's virtio driver (testpmd with net_virtio_user) on our network device: every packet comes back once, in order, unchanged.</summary>
public sealed class VirtioUserTests : PeerTest
{
    /// <summary>How many packets each configuration exchanges; a large number makes a long test of it.</summary>
    private const string PacketsVariable = "VIREO_NET_PACKETS";

    private const long PacketsUsual = 170_000;

    public static TheoryData<bool, bool, bool, int> Configurations =>
        new()
        {
            { false, false, true, 1 },
            { true, false, true, 1 },
            { false, true, false, 1 },
            { true, true, true, 1 },
            { false, false, false, 1 },
            { false, false, true, 2 },
            { true, false, true, 2 },
        };

    private static long Packets =>
        Environment.GetEnvironmentVariable(PacketsVariable) is { } text
            ? long.Parse(text, CultureInfo.InvariantCulture)
            : PacketsUsual;

    [Theory]
    [MemberData(nameof(Configurations))]
    public void PacketsComeBackOnceAndUnchanged(bool isPacked, bool isInOrder, bool isMergeable, int pairs)
    {
        string socket = InScratch("net.sock");
        long packets = Packets;
        using var loops = EventLoopGroup.Start(1);
        CheckingPort port = new(loops[0], packets / pairs, pairs);
        using NetDevice device = new(port, new() { HasControlQueue = false, PairCount = pairs });
        using var home = VhostUserHome.Listen(socket, device, loops);
        Thread server = new(home.Run) { IsBackground = true };
        server.Start();
        try
        {
            Exchange(socket, port, isPacked, isInOrder, isMergeable, pairs);
        }
        finally
        {
            // Before the loops go, whatever has happened.
            home.Stop();
            server.Join();
        }

        Assert.Equal("", port.Complaint);
        Assert.Equal(packets / pairs * pairs, port.Returned);
        for (int queue = 0; queue < 2 * pairs; queue++)
        {
            Assert.Equal(0, device.StatisticsOf(queue).Errors);
            Assert.Equal(0, device.StatisticsOf(queue).Lost);
        }
    }

    private void Exchange(string socket, CheckingPort port, bool isPacked, bool isInOrder, bool isMergeable, int pairs)
    {
        ChildProcess client = StartTestpmd(
            $"net_virtio_user0,path={socket},queues={pairs},queue_size=256,cq=1"
                + $",packed_vq={(isPacked ? 1 : 0)},in_order={(isInOrder ? 1 : 0)},mrg_rxbuf={(isMergeable ? 1 : 0)}",
            pairs
        );
        WaitForAll(port, client);

        client.Signal(UnixSignal.Interrupt);
        client.WaitForExit(RigTimeouts.Program);
    }

    /// <summary>Waits for as long as packets go on coming: how fast is another test's question.</summary>
    private static void WaitForAll(CheckingPort port, ChildProcess client)
    {
        long before = -1;
        long since = Stopwatch.GetTimestamp();
        while (!port.IsDone)
        {
            Assert.False(client.HasExited, "testpmd has ended");
            if (port.Returned != before)
            {
                before = port.Returned;
                since = Stopwatch.GetTimestamp();
            }

            Assert.True(Stopwatch.GetElapsedTime(since) < RigTimeouts.Program, $"no packet comes any more: {port}");
            port.Greet();
            Thread.Sleep(50);
        }
    }

    private ChildProcess StartTestpmd(string device, int pairs)
    {
        string drivers = Path.Combine(GuestArtifacts.Component("dpdk"), "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0");
        return StartProgram(
            GuestArtifacts.Program("dpdk", "dpdk-testpmd"),
            "--no-huge",
            "-m",
            "256",
            "--no-pci",
            "--no-telemetry",
            "--single-file-segments",
            $"--file-prefix={Path.GetFileName(Scratch)}",
            "-l",
            "0,1",
            "-d",
            Path.Combine(drivers, "librte_net_virtio.so.23"),
            "-d",
            Path.Combine(drivers, "librte_mempool_ring.so.23"),
            "--vdev",
            device,
            "--",
            "--forward-mode=io",
            "--port-topology=loop",
            "--total-num-mbufs=4096",
            "--no-lsc-interrupt",
            "--no-flush-rx",
            $"--rxq={pairs}",
            $"--txq={pairs}",
            // Not interactive, and not ended by the end of its input.
            "--stats-period=1"
        );
    }
}
