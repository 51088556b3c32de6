using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct ifreq</c> of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal unsafe struct ifreq
{
    [FieldOffset(0)]
    internal fixed byte ifr_name[16];

    [FieldOffset(16)]
    internal short ifr_flags;

    [FieldOffset(16)]
    internal int ifr_ifindex;

    [FieldOffset(16)]
    internal int ifr_mtu;

    /// <summary>The address behind its family.</summary>
    [FieldOffset(18)]
    [CField("ifr_hwaddr.sa_data")]
    internal fixed byte ifr_hwaddr_bytes[14];
}
