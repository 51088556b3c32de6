using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_scsi_target</c>.</summary>
[CHeader("linux/vhost_types.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vhost_scsi_target
{
    internal int abi_version;
    internal fixed byte vhost_wwpn[224];
    internal ushort vhost_tpgt;
    internal ushort reserved;
}
