using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>char[VDUSE_NAME_MAX]</c>: the argument of VDUSE_DESTROY_DEV.</summary>
[CTwin("char[VDUSE_NAME_MAX]")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vduse_name
{
    [CField("")]
    internal fixed byte __bytes[LibC.VDUSE_NAME_MAX];
}
