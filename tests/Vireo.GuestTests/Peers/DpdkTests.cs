using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our front-end against DPDK's vhost library: testpmd sends every packet back that comes.</summary>
public sealed class DpdkTests : PeerTest
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static TheoryData<bool, bool> Rings =>
        new()
        {
            { false, true },
            { false, false },
            { true, true },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void PacketsFlowBothWays(bool isPacked, bool hasEventIndex)
    {
        const int Packets = 2000;
        string socket = InScratch("net.sock");
        StartTestpmd(socket);
        using Card card = new(
            ConnectProxy(socket, DeviceType.Net, new() { QueueCount = 2 }),
            FeatureSet.Empty.WithIf(CoreFeature.RingPacked, isPacked).WithIf(CoreFeature.EventIndex, hasEventIndex)
        );
        Assert.Equal(isPacked, card.Features.Contains(CoreFeature.RingPacked));
        var address = MacAddress.Local(1);
        HashSet<ulong> seen = [];
        ulong next = 0;
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (seen.Count < Packets)
        {
            // One in flight for each receive buffer at most: a switch drops what nobody has room for.
            while (next < Packets && next - (ulong)seen.Count < (ulong)Card.Buffers / 2)
            {
                card.Send(NumberedFrame.Make(MacAddress.Broadcast, address, next++));
            }

            if (card.Receive(TimeSpan.FromMilliseconds(100)) is { } frame)
            {
                Assert.True(NumberedFrame.TryRead(frame, out ulong number));
                Assert.True(seen.Add(number), $"packet {number} came twice");
            }

            Assert.True(
                Environment.TickCount64 < deadline,
                $"{seen.Count} of {Packets} packets came back, {next} were sent"
            );
        }
    }

    private void StartTestpmd(string socket)
    {
        string driver = Path.Combine(
            GuestArtifacts.Component("dpdk"),
            "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_vhost.so.23"
        );
        string pool = Path.Combine(
            GuestArtifacts.Component("dpdk"),
            "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_mempool_ring.so.23"
        );
        StartPeer(
            socket,
            GuestArtifacts.Program("dpdk", "dpdk-testpmd"),
            "--no-huge",
            "-m",
            "256",
            "--no-pci",
            "--no-telemetry",
            $"--file-prefix={Path.GetFileName(Scratch)}",
            "-l",
            "0,1",
            "-d",
            driver,
            "-d",
            pool,
            "--vdev",
            $"net_vhost0,iface={socket},queues=1",
            "--",
            "--forward-mode=io",
            "--port-topology=loop",
            "--total-num-mbufs=4096",
            "--no-lsc-interrupt",
            // Else it throws away what comes while it starts.
            "--no-flush-rx",
            // Not interactive, and not ended by the end of its input.
            "--stats-period=1"
        );
    }
}
