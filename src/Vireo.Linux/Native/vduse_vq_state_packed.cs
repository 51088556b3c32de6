using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_vq_state_packed</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vduse_vq_state_packed
{
    internal ushort last_avail_counter;
    internal ushort last_avail_idx;
    internal ushort last_used_counter;
    internal ushort last_used_idx;
}
