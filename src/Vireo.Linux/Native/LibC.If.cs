namespace Vireo.Linux.Native;

/// <summary>net/if.h, linux/sockios.h and linux/if_tun.h.</summary>
[CHeader("net/if.h")]
[CHeader("linux/sockios.h")]
[CHeader("linux/if_tun.h")]
internal static partial class LibC
{
    internal const int IFNAMSIZ = 16;
    internal const short IFF_UP = 0x1;

    internal const int SIOCGIFFLAGS = 0x8913;
    internal const int SIOCSIFFLAGS = 0x8914;
    internal const int SIOCGIFMTU = 0x8921;
    internal const int SIOCSIFMTU = 0x8922;
    internal const int SIOCGIFHWADDR = 0x8927;
    internal const int SIOCGIFINDEX = 0x8933;
    internal const int SIOCBRADDIF = 0x89a2;

    internal const short IFF_TAP = 0x0002;
    internal const short IFF_NO_PI = 0x1000;
    internal const short IFF_VNET_HDR = 0x4000;
    internal const short IFF_MULTI_QUEUE = 0x0100;
    internal const short IFF_ATTACH_QUEUE = 0x0200;
    internal const short IFF_DETACH_QUEUE = 0x0400;

    internal const uint TUN_F_CSUM = 0x01;
    internal const uint TUN_F_TSO4 = 0x02;
    internal const uint TUN_F_TSO6 = 0x04;
    internal const uint TUN_F_TSO_ECN = 0x08;
    internal const uint TUN_F_UFO = 0x10;
    internal const uint TUN_F_USO4 = 0x20;
    internal const uint TUN_F_USO6 = 0x40;
    internal const uint TUN_F_UDP_TUNNEL_GSO = 0x80;
    internal const uint TUN_F_UDP_TUNNEL_GSO_CSUM = 0x100;

    private const uint TunFamily = 'T';

    internal static readonly uint TUNSETIFF = Ioctl.IoWrite<int>(TunFamily, 202);
    internal static readonly uint TUNGETFEATURES = Ioctl.IoRead<uint>(TunFamily, 207);
    internal static readonly uint TUNSETOFFLOAD = Ioctl.IoWrite<uint>(TunFamily, 208);
    internal static readonly uint TUNGETIFF = Ioctl.IoRead<uint>(TunFamily, 210);
    internal static readonly uint TUNSETVNETHDRSZ = Ioctl.IoWrite<int>(TunFamily, 216);
    internal static readonly uint TUNSETQUEUE = Ioctl.IoWrite<int>(TunFamily, 217);
    internal static readonly uint TUNSETVNETLE = Ioctl.IoWrite<int>(TunFamily, 220);
}
