using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_memory_region</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_memory_region
{
    internal ulong guest_phys_addr;
    internal ulong memory_size;
    internal ulong userspace_addr;
    internal ulong flags_padding;
}
