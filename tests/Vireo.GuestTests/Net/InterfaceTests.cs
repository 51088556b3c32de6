using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>Interfaces that the host has already: a card shared with it (AF_PACKET) and a macvtap, driven by our own driver.</summary>
public sealed class InterfaceTests : GuestTest
{
    /// <summary>A cable: what is plugged into its near end talks to the kernel at its far end.</summary>
    private const string Cable = """
        ip link add near type veth peer name far
        ip address add 10.9.0.1/24 dev far
        ip link set far up
        ip link set near up
        """;

    [Fact]
    public void Packet_CarriesFrames()
    {
        string output = Run(
            """
            serve --packet near
            {{driver}} served-card $socket
            """
        );

        Assert.Contains("done: 200 echoes", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Packet_WhatIsWrong_IsSaid()
    {
        string output = Run(
            """
            ip link set near down
            {{vireo}} net --packet near --vhost-user $socket 2>&1 || true
            {{vireo}} net --packet nowhere --vhost-user $socket 2>&1 || true
            {{vireo}} net --macvtap nowhere --vhost-user $socket 2>&1 || true
            {{vireo}} net --macvtap far --vhost-user $socket 2>&1 || true
            """
        );

        Assert.Contains("'near' is down; bring it up with", output, StringComparison.Ordinal);
        Assert.Equal(2, Occurrences(output, "there is no interface 'nowhere' on this host"));
        Assert.Contains("'far' is no macvtap", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Macvtap_CarriesFrames()
    {
        string output = Run(
            """
            ip link add link near name guest0 address 52:54:00:00:00:02 type macvtap mode bridge
            ip link set guest0 up
            serve --macvtap guest0
            {{driver}} served-card $socket
            """
        );

        Assert.Contains("done: 200 echoes", output, StringComparison.Ordinal);
    }

    private static int Occurrences(string text, string part) => text.Split(part).Length - 1;

    private string Run(string steps)
    {
        string folder = Scratch;
        string script = $$"""
            set -e
            ip() { {{GuestArtifacts.Program("nettools", "ip")}} "$@"; }
            socket={{folder}}/card
            serve() {
                {{Repository.VireoProgram}} net "$@" --vhost-user $socket >{{folder}}/out &
                i=0
                until grep -q ready {{folder}}/out; do
                    i=$((i + 1))
                    [ $i -lt 400 ] || { echo 'not ready'; exit 1; }
                    sleep 0.05
                done
            }
            {{Cable}}
            {{steps
                .Replace("{{driver}}", Repository.DriverProgram, StringComparison.Ordinal)
                .Replace("{{vireo}}", Repository.VireoProgram, StringComparison.Ordinal)}}
            """;
        // The processes go with the first one of their namespace.
        return RunProgram(
            "unshare",
            ["--pid", "--fork", "--kill-child", .. HostNetwork.OwnNamespace, "/bin/sh", "-c", script]
        );
    }
}
