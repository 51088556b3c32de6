using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>The whole configuration space: what Linux's header knows of it, and what VIRTIO 1.4 has behind that (§5.1.4).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NetConfigSpace
{
    /// <summary>The part that every header knows.</summary>
    public NetConfig Config;

    /// <summary>The <see cref="NetHashTunnels"/> whose inner packets can be hashed (<c>supported_tunnel_types</c>).</summary>
    public Le32 TunnelTypes;
}
