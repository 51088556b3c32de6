using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Net;

/// <summary>One queue of a tap: an Ethernet interface of the host whose other end is this process (/dev/net/tun).</summary>
/// <remarks>
/// The other end of a macvtap is the card that it was made on.
/// </remarks>
public sealed class TapDevice : IFrameDescriptor
{
    /// <summary>Vectors one write takes (UIO_MAXIOV).</summary>
    public const int VectorsMax = 1024;

    /// <summary>The longest name of an interface, in bytes.</summary>
    public const int NameBytesMax = LibC.IFNAMSIZ - 1;

    private const string Place = "/dev/net/tun";

    private TapDevice(SafeFileHandle handle, string name, bool isMultiQueue)
    {
        Handle = handle;
        Name = name;
        IsMultiQueue = isMultiQueue;
    }

    /// <inheritdoc/>
    public SafeFileHandle Handle { get; }

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>Whether the interface may have several queues.</summary>
    public bool IsMultiQueue { get; }

    /// <summary>Attaches to an interface, which is made if there is none of that name and then goes with its last queue.</summary>
    /// <param name="name">Its name, up to <see cref="NameBytesMax"/> bytes; with <c>%d</c> in it, the kernel puts a number there.</param>
    /// <param name="isMultiQueue">Whether it is to have several queues; has to be the same for all of them.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">
    /// EPERM: the user may not make interfaces, or the interface is another user's; EBUSY: somebody else is attached; EINVAL: the
    /// interface is no tap, or has another number of queues; ENOENT: the host has no /dev/net/tun.
    /// </exception>
    // SAFETY: the kernel reads and writes a local structure whose layout the Abi tests prove.
    public static unsafe TapDevice Open(string name, bool isMultiQueue)
    {
        ifreq request = Name16(name);
        int flags = LibC.IFF_TAP | LibC.IFF_NO_PI | LibC.IFF_VNET_HDR | (isMultiQueue ? LibC.IFF_MULTI_QUEUE : 0);
        request.ifr_flags = (short)flags;
        SafeFileHandle handle = HostFile.Open(Place, OpenFlags.ReadWrite | OpenFlags.NonBlocking);
        try
        {
            LinuxException.ThrowIfNegative(LibC.ioctl(handle, LibC.TUNSETIFF, &request), nameof(LibC.TUNSETIFF), name);
            return new TapDevice(handle, NameOf(request.ifr_name), isMultiQueue);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Attaches to a macvtap.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isMultiQueue">Whether several queues are opened.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">
    /// ENODEV: there is no interface of that name; ENOENT: it is no macvtap, or its node in /dev has not been made; EACCES: the node is
    /// another user's; EBUSY: all its queues are in use.
    /// </exception>
    // SAFETY: as in Open.
    public static unsafe TapDevice OpenMacvtap(string name, bool isMultiQueue)
    {
        string place = string.Create(CultureInfo.InvariantCulture, $"/dev/tap{NetInterface.IndexOf(name)}");
        ifreq request = default;
        int flags = LibC.IFF_TAP | LibC.IFF_NO_PI | LibC.IFF_VNET_HDR | (isMultiQueue ? LibC.IFF_MULTI_QUEUE : 0);
        request.ifr_flags = (short)flags;
        SafeFileHandle handle = HostFile.Open(place, OpenFlags.ReadWrite | OpenFlags.NonBlocking);
        try
        {
            LinuxException.ThrowIfNegative(LibC.ioctl(handle, LibC.TUNSETIFF, &request), nameof(LibC.TUNSETIFF), place);
            return new TapDevice(handle, name, isMultiQueue);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a queue that somebody else opened.</summary>
    /// <param name="handle">Its descriptor. It becomes this object's, and is closed if refused.</param>
    /// <exception cref="LinuxException">It is no tap, or one without a header before each frame.</exception>
    // SAFETY: as in Open.
    public static unsafe TapDevice Wrap(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        try
        {
            ifreq request = default;
            LinuxException.ThrowIfNegative(LibC.ioctl(handle, LibC.TUNGETIFF, &request), nameof(LibC.TUNGETIFF));
            string name = NameOf(request.ifr_name);
            if ((request.ifr_flags & LibC.IFF_TAP) == 0 || (request.ifr_flags & LibC.IFF_VNET_HDR) == 0)
            {
                throw new LinuxException(Errno.EINVAL, $"tap '{name}'", "opened without IFF_TAP or IFF_VNET_HDR");
            }

            DescriptorFlags.SetNonBlocking(handle);
            return new TapDevice(handle, name, (request.ifr_flags & LibC.IFF_MULTI_QUEUE) != 0);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a queue that this process was started with.</summary>
    /// <param name="number">The number of its descriptor, from 0.</param>
    /// <exception cref="LinuxException">EBADF: there is no such descriptor; others as for <see cref="Wrap"/>.</exception>
    public static TapDevice Adopt(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        string detail = string.Create(CultureInfo.InvariantCulture, $"descriptor {number}");
        int flags = LibC.fcntl_number(number, LibC.F_GETFD, 0);
        LinuxException.ThrowIfNegative(flags, "inherit", detail);
        if ((flags & LibC.FD_CLOEXEC) != 0)
        {
            // What is closed on exec did not come through one: it is the runtime's own, and not ours to take.
            throw new LinuxException(Errno.EBADF, "inherit", detail);
        }

        SafeFileHandle handle = new(number, ownsHandle: true);
        DescriptorFlags.SetCloseOnExec(handle);
        return Wrap(handle);
    }

    /// <summary>Sets the length of the header before each frame, and that it is little-endian.</summary>
    /// <param name="lengthBytes">10, 12 with a number of buffers at its end, or 24 with what <see cref="TapOffloads.Tunnel"/> needs.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    // SAFETY: the kernel reads four bytes of a local variable.
    public unsafe void SetHeaderLength(int lengthBytes)
    {
        int length = lengthBytes;
        LinuxException.ThrowIfNegative(
            LibC.ioctl(Handle, LibC.TUNSETVNETHDRSZ, &length),
            nameof(LibC.TUNSETVNETHDRSZ),
            Name
        );
        int isLittleEndian = 1;
        LinuxException.ThrowIfNegative(
            LibC.ioctl(Handle, LibC.TUNSETVNETLE, &isLittleEndian),
            nameof(LibC.TUNSETVNETLE),
            Name
        );
    }

    /// <summary>Says what the kernel may leave undone; holds for the whole interface.</summary>
    /// <param name="offloads">What.</param>
    /// <returns>False when this kernel does not know one of them; nothing has changed then.</returns>
    // SAFETY: the argument is a number in the place of a pointer.
    public unsafe bool TrySetOffloads(TapOffloads offloads) =>
        LibC.ioctl(Handle, LibC.TUNSETOFFLOAD, (void*)(nuint)(uint)offloads) == 0;

    /// <summary>Lets the kernel put frames into this queue, or not. Only for interfaces with several queues.</summary>
    /// <param name="isAttached">Whether it may.</param>
    /// <returns>0, or a negated <see cref="Errno"/>: EINVAL when it is so already.</returns>
    // SAFETY: as in Open.
    public unsafe int SetAttached(bool isAttached)
    {
        ifreq request = default;
        request.ifr_flags = isAttached ? LibC.IFF_ATTACH_QUEUE : LibC.IFF_DETACH_QUEUE;
        return LibC.ioctl(Handle, LibC.TUNSETQUEUE, &request) < 0 ? -(int)LinuxException.LastError : 0;
    }

    /// <inheritdoc/>
    // SAFETY: the kernel is given the length of a buffer that stays pinned during the call.
    public unsafe int Read(Span<byte> destination)
    {
        fixed (byte* bytes = destination)
        {
            while (true)
            {
                nint count = LibC.read(Handle, bytes, (nuint)destination.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    return -(int)error;
                }
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>EINVAL for a header that does not fit the frame, EIO while the interface is down.</remarks>
    public int Write(ReadOnlySpan<IoVector> frame) => FrameVectors.Write(Handle, frame);

    /// <summary>Detaches from the interface.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>A request that names an interface.</summary>
    // SAFETY: the name is shorter than the field, and the structure is all zeroes behind it.
    internal static unsafe ifreq Name16(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ifreq request = default;
        Span<byte> field = new(request.ifr_name, NameBytesMax);
        if (!Encoding.UTF8.TryGetBytes(name, field, out _))
        {
            throw new ArgumentException($"'{name}' is longer than the {NameBytesMax} bytes of an interface's name");
        }

        return request;
    }

    // SAFETY: the kernel ends names with a zero within the field.
    private static unsafe string NameOf(byte* field)
    {
        ReadOnlySpan<byte> bytes = new(field, LibC.IFNAMSIZ);
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
