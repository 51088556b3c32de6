using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>linux/if_packet.h and linux/if_ether.h.</summary>
[CHeader("linux/if_packet.h")]
[CHeader("linux/if_ether.h")]
internal static partial class LibC
{
    internal const int AF_PACKET = 17;
    internal const int SOL_PACKET = 263;
    internal const int ETH_P_ALL = 0x0003;
    internal const int ETH_P_8021Q = 0x8100;

    internal const int PACKET_ADD_MEMBERSHIP = 1;
    internal const int PACKET_AUXDATA = 8;
    internal const int PACKET_VNET_HDR = 15;
    internal const int PACKET_IGNORE_OUTGOING = 23;
    internal const ushort PACKET_MR_PROMISC = 1;

    internal const uint TP_STATUS_VLAN_VALID = 1 << 4;
    internal const uint TP_STATUS_VLAN_TPID_VALID = 1 << 6;

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    internal static unsafe partial int bind_packet(SafeFileHandle sockfd, sockaddr_ll* addr, uint addrlen);
}
