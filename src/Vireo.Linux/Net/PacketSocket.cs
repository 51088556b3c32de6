using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;
using Vireo.Linux.Sockets;

namespace Vireo.Linux.Net;

/// <summary>An interface of the host at the level of its frames (packet(7)), beside whatever the host itself does there.</summary>
/// <remarks>
/// Takes all frames that come over the cable, whomever they are for, and not those that the host sends; the host does not take those
/// that are sent here. A tag of a VLAN that the card or the kernel took off is put back.
/// </remarks>
public sealed class PacketSocket : IFrameDescriptor
{
    /// <summary>Length of the header before each frame.</summary>
    public const int HeaderBytes = 10;

    private const int TagBytes = 4;

    /// <summary>Two addresses; a tag comes behind them.</summary>
    private const int AddressesBytes = 12;

    /// <summary>Where the header says at which byte of the frame a checksum starts, and where its flag is that there is one.</summary>
    private const int ChecksumStartAt = 6;
    private const byte NeedsChecksum = 1;

    /// <summary>A header and the structure behind it, to a multiple of 8.</summary>
    private const int ControlBytes = 40;

    private PacketSocket(SafeFileHandle handle) => Handle = handle;

    /// <inheritdoc/>
    public SafeFileHandle Handle { get; }

    /// <summary>Begins to take the frames of an interface.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentException">The name is empty or too long.</exception>
    /// <exception cref="LinuxException">EPERM: the user has no CAP_NET_RAW; ENODEV: there is no interface of that name; ENETDOWN: it is down.</exception>
    // SAFETY: the kernel reads local structures whose layouts the Abi tests prove.
    public static unsafe PacketSocket Open(string name)
    {
        int index = NetInterface.IndexOf(name);
        // Of no protocol until it is bound, or frames of all interfaces would be in it.
        SafeFileHandle handle = LinuxException.ThrowIfInvalid(
            LibC.socket(LibC.AF_PACKET, LibC.SOCK_RAW | LibC.SOCK_CLOEXEC | LibC.SOCK_NONBLOCK, 0),
            nameof(LibC.socket),
            name
        );
        try
        {
            Enable(handle, LibC.PACKET_VNET_HDR, nameof(LibC.PACKET_VNET_HDR));
            Enable(handle, LibC.PACKET_AUXDATA, nameof(LibC.PACKET_AUXDATA));
            Enable(handle, LibC.PACKET_IGNORE_OUTGOING, nameof(LibC.PACKET_IGNORE_OUTGOING));
            packet_mreq all = new() { mr_ifindex = index, mr_type = LibC.PACKET_MR_PROMISC };
            Set(handle, LibC.PACKET_ADD_MEMBERSHIP, &all, sizeof(packet_mreq), nameof(LibC.PACKET_ADD_MEMBERSHIP));
            sockaddr_ll address = new()
            {
                sll_family = LibC.AF_PACKET,
                sll_protocol = BinaryPrimitives.ReverseEndianness((ushort)LibC.ETH_P_ALL),
                sll_ifindex = index,
            };
            LinuxException.ThrowIfNegative(
                LibC.bind_packet(handle, &address, (uint)sizeof(sockaddr_ll)),
                nameof(LibC.bind_packet),
                name
            );
            var pending = (Errno)UnixSocket.GetOption(handle, LibC.SO_ERROR);
            return pending == Errno.None
                ? new PacketSocket(handle)
                : throw new LinuxException(pending, nameof(LibC.bind_packet), name);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    // SAFETY: the kernel is given the lengths of buffers that stay in place during the call.
    public unsafe int Read(Span<byte> destination)
    {
        byte* control = stackalloc byte[ControlBytes];
        fixed (byte* bytes = destination)
        {
            iovec vector = new() { iov_base = bytes, iov_len = (nuint)destination.Length };
            while (true)
            {
                msghdr message = new()
                {
                    msg_iov = &vector,
                    msg_iovlen = 1,
                    msg_control = control,
                    msg_controllen = ControlBytes,
                };
                nint count = LibC.recvmsg(Handle, &message, LibC.MSG_DONTWAIT);
                if (count >= 0)
                {
                    return Tag(destination, (int)count, new(control, (int)message.msg_controllen));
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
    public int Write(ReadOnlySpan<IoVector> frame) => FrameVectors.Write(Handle, frame);

    /// <summary>Takes no frames any more.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>Puts the tag back that the kernel tells of beside the frame.</summary>
    /// <returns>Bytes of header and frame with it.</returns>
    internal static int Tag(Span<byte> message, int countBytes, ReadOnlySpan<byte> control)
    {
        if (
            !TryFindAuxiliary(control, out tpacket_auxdata auxiliary)
            || (auxiliary.tp_status & LibC.TP_STATUS_VLAN_VALID) == 0
            || countBytes < HeaderBytes + AddressesBytes
            || countBytes > message.Length - TagBytes
        )
        {
            return countBytes;
        }

        Span<byte> frame = message[HeaderBytes..];
        int frameBytes = countBytes - HeaderBytes;
        frame[AddressesBytes..frameBytes].CopyTo(frame[(AddressesBytes + TagBytes)..]);
        bool hasKind = (auxiliary.tp_status & LibC.TP_STATUS_VLAN_TPID_VALID) != 0;
        BinaryPrimitives.WriteUInt16BigEndian(
            frame[AddressesBytes..],
            hasKind ? auxiliary.tp_vlan_tpid : (ushort)LibC.ETH_P_8021Q
        );
        BinaryPrimitives.WriteUInt16BigEndian(frame[(AddressesBytes + sizeof(ushort))..], auxiliary.tp_vlan_tci);
        if ((message[0] & NeedsChecksum) != 0)
        {
            Span<byte> start = message[ChecksumStartAt..];
            int moved = BinaryPrimitives.ReadUInt16LittleEndian(start) + TagBytes;
            BinaryPrimitives.WriteUInt16LittleEndian(start, (ushort)Math.Min(moved, ushort.MaxValue));
        }

        return countBytes + TagBytes;
    }

    // SAFETY: both structures are copied out of bytes that are known to be there.
    private static unsafe bool TryFindAuxiliary(ReadOnlySpan<byte> control, out tpacket_auxdata auxiliary)
    {
        auxiliary = default;
        if (control.Length < sizeof(cmsghdr) + sizeof(tpacket_auxdata))
        {
            return false;
        }

        fixed (byte* bytes = control)
        {
            cmsghdr header = *(cmsghdr*)bytes;
            if (header.cmsg_level != LibC.SOL_PACKET || header.cmsg_type != LibC.PACKET_AUXDATA)
            {
                return false;
            }

            auxiliary = *(tpacket_auxdata*)(bytes + sizeof(cmsghdr));
            return true;
        }
    }

    // SAFETY: the kernel reads a local number.
    private static unsafe void Enable(SafeFileHandle handle, int option, string name)
    {
        int value = 1;
        Set(handle, option, &value, sizeof(int), name);
    }

    // SAFETY: the caller passes what the option takes, and its length.
    private static unsafe void Set(SafeFileHandle handle, int option, void* value, int lengthBytes, string name) =>
        LinuxException.ThrowIfNegative(
            LibC.setsockopt(handle, LibC.SOL_PACKET, option, value, (uint)lengthBytes),
            name
        );
}
