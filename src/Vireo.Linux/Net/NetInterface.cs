using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Net;

/// <summary>Network interfaces of the host by their names, in the network namespace of the process.</summary>
public static class NetInterface
{
    /// <summary>Length of an address.</summary>
    public const int AddressBytes = 6;

    /// <summary>Brings an interface up.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="LinuxException">ENODEV: there is none of that name; EPERM: the user may not.</exception>
    public static void SetUp(string name)
    {
        ifreq request = Ask(name, LibC.SIOCGIFFLAGS, nameof(LibC.SIOCGIFFLAGS));
        if ((request.ifr_flags & LibC.IFF_UP) == 0)
        {
            request.ifr_flags |= LibC.IFF_UP;
            Ask(request, name, LibC.SIOCSIFFLAGS, nameof(LibC.SIOCSIFFLAGS));
        }
    }

    /// <summary>Whether there is an interface of a name.</summary>
    /// <param name="name">The name.</param>
    public static bool Exists(string name)
    {
        try
        {
            Ask(name, LibC.SIOCGIFINDEX, nameof(LibC.SIOCGIFINDEX));
            return true;
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENODEV)
        {
            return false;
        }
    }

    /// <summary>The number of an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">ENODEV: there is none of that name.</exception>
    public static int IndexOf(string name) => Ask(name, LibC.SIOCGIFINDEX, nameof(LibC.SIOCGIFINDEX)).ifr_ifindex;

    /// <summary>The address of an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="destination">Gets it: 6 bytes.</param>
    /// <exception cref="LinuxException">ENODEV: there is none of that name.</exception>
    // SAFETY: the field of the local structure is longer than the address.
    public static unsafe void ReadAddress(string name, Span<byte> destination)
    {
        ifreq answer = Ask(name, LibC.SIOCGIFHWADDR, nameof(LibC.SIOCGIFHWADDR));
        new ReadOnlySpan<byte>(answer.ifr_hwaddr_bytes, AddressBytes).CopyTo(destination);
    }

    /// <summary>The largest packet of an interface in bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="LinuxException">ENODEV: there is none of that name.</exception>
    public static int MtuOf(string name) => Ask(name, LibC.SIOCGIFMTU, nameof(LibC.SIOCGIFMTU)).ifr_mtu;

    /// <summary>Sets the largest packet of an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="mtuBytes">The largest packet in bytes.</param>
    /// <exception cref="LinuxException">ENODEV: there is none of that name; EINVAL: it cannot; EPERM: the user may not.</exception>
    public static void SetMtu(string name, int mtuBytes)
    {
        ifreq request = TapDevice.Name16(name);
        request.ifr_mtu = mtuBytes;
        Ask(request, name, LibC.SIOCSIFMTU, nameof(LibC.SIOCSIFMTU));
    }

    /// <summary>Makes an interface a port of a bridge; it stays so until the interface goes.</summary>
    /// <param name="name">The interface's name.</param>
    /// <param name="bridge">The bridge's name.</param>
    /// <exception cref="LinuxException">ENODEV: there is none of a name; EBUSY: it is a port of a bridge; EPERM: the user may not.</exception>
    public static void AddToBridge(string name, string bridge)
    {
        ifreq request = TapDevice.Name16(bridge);
        request.ifr_ifindex = Ask(name, LibC.SIOCGIFINDEX, nameof(LibC.SIOCGIFINDEX)).ifr_ifindex;
        Ask(request, bridge, LibC.SIOCBRADDIF, nameof(LibC.SIOCBRADDIF));
    }

    private static ifreq Ask(string name, int command, string operation) =>
        Ask(TapDevice.Name16(name), name, command, operation);

    // SAFETY: the kernel reads and writes a local structure whose layout the Abi tests prove.
    private static unsafe ifreq Ask(ifreq request, string name, int command, string operation)
    {
        using SafeFileHandle socket = LinuxException.ThrowIfInvalid(
            LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC, 0),
            nameof(LibC.socket)
        );
        ifreq answer = request;
        LinuxException.ThrowIfNegative(LibC.ioctl(socket, (nuint)command, &answer), operation, name);
        return answer;
    }
}
