using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_vring_addr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_vring_addr
{
    internal uint index;
    internal uint flags;
    internal ulong desc_user_addr;
    internal ulong used_user_addr;
    internal ulong avail_user_addr;
    internal ulong log_guest_addr;
}
