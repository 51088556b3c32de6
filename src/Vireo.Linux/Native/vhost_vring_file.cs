using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_vring_file</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_vring_file
{
    internal uint index;
    internal int fd;
}
