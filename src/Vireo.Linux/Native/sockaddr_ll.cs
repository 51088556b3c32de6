using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct sockaddr_ll</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct sockaddr_ll
{
    internal ushort sll_family;

    /// <summary>In network order.</summary>
    internal ushort sll_protocol;
    internal int sll_ifindex;
    internal ushort sll_hatype;
    internal byte sll_pkttype;
    internal byte sll_halen;
    internal fixed byte sll_addr[8];
}
