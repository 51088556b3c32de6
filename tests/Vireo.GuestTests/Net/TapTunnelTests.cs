using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>The host's own VXLAN on the other side of a tap: packets that are yet to be segmented pass whole, with both headers understood.</summary>
/// <remarks>
/// A driver of ours instead of a guest's, because distributions' kernels do not know the feature yet. On a host whose taps do not
/// know it either (before Linux 6.17) it shows that the device does not offer it.
/// </remarks>
public sealed class TapTunnelTests : GuestTest
{
    [Fact]
    public void PacketsOfSeveralDatagramsPassBothWays()
    {
        string ip = GuestArtifacts.Program("nettools", "ip");
        string script = $$"""
            set -e
            ip() { {{ip}} "$@"; }
            ip tuntap add dev vtap0 mode tap vnet_hdr
            ip link set vtap0 address 52:00:00:00:00:01 up
            ip address add 10.9.0.1/24 dev vtap0
            ip neighbour add 10.9.0.2 lladdr 52:00:00:00:00:02 dev vtap0 nud permanent
            tunnel() {
                ip link add vx$1 type vxlan id $1 dstport $2 local 10.9.0.1 remote 10.9.0.2 dev vtap0 $3
                ip link set vx$1 address 52:00:00:00:00:01 up
                ip address add 10.8.$1.1/24 dev vx$1
                ip neighbour add 10.8.$1.2 lladdr 52:00:00:00:00:02 dev vx$1 nud permanent
            }
            tunnel 1 4789 udpcsum
            tunnel 2 4790 noudpcsum
            exec {{Repository.DriverProgram}} tunnel vtap0
            """;

        string output = RunProgram("unshare", [.. HostNetwork.OwnNamespace, "/bin/sh", "-c", script]);

        Assert.True(
            output.Contains(
                "done: 12 datagrams from 2 packets, 2 packets taken whole, 12 taken cut",
                StringComparison.Ordinal
            ) || output.Contains("done: this kernel's taps know no tunnels", StringComparison.Ordinal),
            output
        );
    }
}
