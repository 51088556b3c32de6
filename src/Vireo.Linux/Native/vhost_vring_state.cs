using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_vring_state</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_vring_state
{
    internal uint index;
    internal uint num;
}
