using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_iova_umem</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vduse_iova_umem
{
    internal ulong uaddr;
    internal ulong iova;
    internal ulong size;
    internal fixed ulong reserved[3];
}
