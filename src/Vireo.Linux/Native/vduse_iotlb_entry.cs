using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_iotlb_entry</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vduse_iotlb_entry
{
    internal ulong offset;
    internal ulong start;
    internal ulong last;
    internal byte perm;
}
