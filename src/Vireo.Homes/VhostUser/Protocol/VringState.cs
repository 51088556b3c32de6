using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A number about a ring.</summary>
[CTwin("struct vhost_vring_state", "linux/vhost_types.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct VringState
{
    /// <summary>Which ring.</summary>
    [CField("index")]
    public uint Index;

    /// <summary>The number.</summary>
    [CField("num")]
    public uint Number;
}
