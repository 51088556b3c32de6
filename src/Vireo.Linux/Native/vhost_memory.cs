using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_memory</c>; the regions follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_memory
{
    internal uint nregions;
    internal uint padding;
}
