using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_iova_info</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vduse_iova_info
{
    internal ulong start;
    internal ulong last;
    internal ulong capability;
    internal fixed ulong reserved[3];
}
