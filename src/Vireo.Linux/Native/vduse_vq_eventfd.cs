using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_vq_eventfd</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vduse_vq_eventfd
{
    internal uint index;
    internal int fd;
}
