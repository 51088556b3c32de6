using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_config_data</c>; the bytes follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vduse_config_data
{
    internal uint offset;
    internal uint length;
}
