using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct packet_mreq</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct packet_mreq
{
    internal int mr_ifindex;
    internal ushort mr_type;
    internal ushort mr_alen;
    internal fixed byte mr_address[8];
}
