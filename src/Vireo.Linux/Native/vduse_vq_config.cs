using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_vq_config</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vduse_vq_config
{
    internal uint index;
    internal ushort max_size;

    [CField("")]
    internal fixed ushort __reserved[13];
}
