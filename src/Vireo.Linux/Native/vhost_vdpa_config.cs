using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_vdpa_config</c>; the bytes follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_vdpa_config
{
    internal uint off;
    internal uint len;
}
