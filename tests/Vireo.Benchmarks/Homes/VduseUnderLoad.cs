using Vireo.Core.Spec;
using Vireo.Homes.Vduse;
using Vireo.Homes.Vhost.Vdpa;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Vdpa;

namespace Vireo.Benchmarks.Homes;

/// <summary>The VDUSE home, and the proxy for the device that it makes on this host's vDPA bus; needs the modules vduse and vhost_vdpa.</summary>
internal sealed class VduseUnderLoad : ProxyUnderLoad
{
    private const string Name = "vireo-bench";
    private static readonly TimeSpan NodePause = TimeSpan.FromMilliseconds(20);

    private readonly VdpaBus _bus = VdpaBus.Open();

    /// <summary>The proxy's home, where there is one.</summary>
    private readonly VhostUserHome? _outer;

    private readonly VhostVdpaProxy? _inner;
    private readonly Thread? _outerControl;

    /// <summary>Brings the device on the bus and back.</summary>
    /// <param name="isProxyServed">Whether the proxy is behind a vhost-user home, as by <c>vireo proxy vhost-vdpa</c>.</param>
    public VduseUnderLoad(bool isProxyServed)
    {
        var home = VduseHome.Create(Name, Device, Loops, new() { StatePath = $"{SocketPath}.state" });
        Serve(home, home.Run, home.Stop);
        _bus.Add(Name);
        var proxy = VhostVdpaProxy.Open(WaitForNode());
        if (!isProxyServed)
        {
            Drive(proxy);
            return;
        }

        _inner = proxy;
        VhostUserHome outer = _outer = VhostUserHome.Listen(SocketPath, proxy, Loops);
        _outerControl = new(outer.Run) { Name = "outer" };
        _outerControl.Start();
        Drive(VhostUserProxy.Connect(SocketPath, DeviceType.Block));
    }

    protected override void Disconnect()
    {
        base.Disconnect();
        _outer?.Stop();
        _outerControl?.Join();
        _outer?.Dispose();
        _inner?.Dispose();
        // While the home can still answer what the kernel asks.
        _bus.Delete(Name);
        _bus.Dispose();
    }

    /// <summary>The kernel makes the node a moment after the device is on the bus.</summary>
    private static string WaitForNode()
    {
        for (DateTime end = DateTime.UtcNow + HomesBenchmark.Patience; DateTime.UtcNow < end; Thread.Sleep(NodePause))
        {
            if (Directory.GetFiles("/dev", "vhost-vdpa-*") is [string node, ..])
            {
                return node;
            }
        }

        throw new InvalidOperationException("there is no /dev/vhost-vdpa-*: is the module vhost_vdpa loaded?");
    }
}
