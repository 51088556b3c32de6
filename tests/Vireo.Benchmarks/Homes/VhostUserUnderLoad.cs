using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;

namespace Vireo.Benchmarks.Homes;

/// <summary>The vhost-user home, and our front-end before it.</summary>
internal sealed class VhostUserUnderLoad : ProxyUnderLoad
{
    public VhostUserUnderLoad()
    {
        var home = VhostUserHome.Listen(SocketPath, Device, Loops);
        Serve(home, home.Run, home.Stop);
        Drive(VhostUserProxy.Connect(SocketPath, DeviceType.Block));
    }
}
