using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.GuestTests.Net;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Sockets;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>
/// A bridge of Open vSwitch (its own forwarding, in user space) with our tap at one port, and at another DPDK's vhost-user client, which our
/// front-end drives: frames go all the way from one driver to the other and back.
/// </summary>
public sealed class OpenVswitchTests : PeerTest
{
    private const int Frames = 2000;

    private static readonly MacAddress Left = MacAddress.Local(1);
    private static readonly MacAddress Right = MacAddress.Local(2);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void FramesFlowBetweenATapAndDpdksPort(bool isPacked)
    {
        FeatureSet rings = FeatureSet.Empty.WithIf(CoreFeature.RingPacked, isPacked);
        string tapSocket = InScratch("tap.sock");
        var network = HostNetwork.Start(RunProgram, StartProgram, InScratch("www"), "--vhost-user", tapSocket);
        string portSocket = InScratch("port.sock");
        using var listener = UnixListener.Listen(portSocket);
        var bridge = Bridge.Start(network, InScratch("ovs"));
        bridge.Configure("add-port", "br0", network.TapName);
        bridge.Configure([
            "add-port",
            "br0",
            "vhost0",
            "--",
            "set",
            "Interface",
            "vhost0",
            "type=dpdkvhostuserclient",
            $"options:vhost-server-path={portSocket}",
        ]);

        using Card right = new(VhostUserProxy.Over(Accept(listener), DeviceType.Net, new() { QueueCount = 2 }), rings);
        Assert.Equal(isPacked, right.Features.Contains(CoreFeature.RingPacked));
        using Card left = new(ConnectProxy(tapSocket, DeviceType.Net, new() { QueueCount = 2 }), rings);
        new Conversation(left, Left, right, Right).Hold(Frames);

        string learned = bridge.Ask("fdb/show", "br0");
        Assert.Contains(Left.ToString(), learned, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(Right.ToString(), learned, StringComparison.OrdinalIgnoreCase);
    }

    private static UnixChannel Accept(UnixListener listener)
    {
        UnixChannel? channel = null;
        Assert.True(
            SpinWait.SpinUntil(() => (channel = listener.TryAccept()) is not null, RigTimeouts.Program),
            "DPDK's port does not connect"
        );
        return channel!;
    }

    /// <summary>Open vSwitch in the namespace of a network, with its database and sockets in a folder.</summary>
    private sealed class Bridge
    {
        private readonly HostNetwork _network;
        private readonly string _folder;

        private Bridge(HostNetwork network, string folder)
        {
            _network = network;
            _folder = folder;
        }

        public static Bridge Start(HostNetwork network, string folder)
        {
            Directory.CreateDirectory(folder);
            Bridge bridge = new(network, folder);
            string component = GuestArtifacts.Component("ovs");
            string database = Path.Combine(folder, "conf.db");
            string schema = Path.Combine(component, "usr/share/openvswitch/vswitch.ovsschema");
            network.Run(GuestArtifacts.Program("ovs", "ovsdb-tool"), "create", database, schema);
            bridge.StartDaemon(
                "ovsdb-server",
                database,
                $"--remote=p{bridge.Database}",
                $"--unixctl={folder}/database.ctl"
            );
            Assert.True(
                SpinWait.SpinUntil(() => File.Exists(Path.Combine(folder, "database.sock")), RigTimeouts.Program),
                "the database does not start"
            );
            string pool = Path.Combine(component, "usr/lib/x86_64-linux-gnu/dpdk/pmds-25.0/librte_mempool_ring.so.25");
            bridge.Configure("--no-wait", "init");
            bridge.Configure(
                "--no-wait",
                "set",
                "Open_vSwitch",
                ".",
                "other_config:dpdk-init=true",
                // Without huge pages DPDK has its memory in one piece, which has to be said.
                $"other_config:dpdk-extra=\"--no-huge --legacy-mem -m 256 --no-pci --no-telemetry --file-prefix={Path.GetFileName(Path.GetDirectoryName(folder))} -d {pool}\"",
                "other_config:per-port-memory=true"
            );
            bridge.StartDaemon("ovs-vswitchd-dpdk", bridge.Database, $"--unixctl={folder}/switch.ctl");
            // This waits until the daemon has done it.
            bridge.Configure("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
            return bridge;
        }

        private string Database => $"unix:{_folder}/database.sock";

        private string[] Variables =>
            [
                .. "OVS_RUNDIR OVS_LOGDIR OVS_DBDIR OVS_SYSCONFDIR RUNTIME_DIRECTORY"
                    .Split(' ')
                    .Select(name => $"{name}={_folder}"),
            ];

        public void Configure(params string[] words) =>
            RunTool("ovs-vsctl", [$"--db={Database}", "--timeout=60", .. words]);

        public string Ask(params string[] words) =>
            RunTool("ovs-appctl", ["--timeout=60", $"--target={_folder}/switch.ctl", .. words]);

        private string RunTool(string name, string[] words) =>
            _network.Run("env", [.. Variables, GuestArtifacts.Program("ovs", name), .. words]);

        private void StartDaemon(string name, params string[] words) =>
            _network.StartInside("env", [.. Variables, GuestArtifacts.Program("ovs", name), .. words]);
    }
}
