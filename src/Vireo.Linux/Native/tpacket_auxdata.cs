using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct tpacket_auxdata</c>: what the kernel knows of a packet beside its bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct tpacket_auxdata
{
    internal uint tp_status;
    internal uint tp_len;
    internal uint tp_snaplen;
    internal ushort tp_mac;
    internal ushort tp_net;
    internal ushort tp_vlan_tci;
    internal ushort tp_vlan_tpid;
}
