using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Netlink;

/// <summary>Requests to one family of generic netlink, each waiting for its answers.</summary>
/// <remarks>One thread at a time.</remarks>
public sealed class GenericNetlink : IDisposable
{
    /// <summary>The largest message of the kernel: dumps come in pieces of 32 KiB at most.</summary>
    private const int MessageBytesMax = 1 << 16;

    /// <summary>Size of <c>struct nlmsghdr</c>, <c>genlmsghdr</c> and <c>nlmsgerr</c>.</summary>
    private const int HeaderBytes = 16;

    private const int FamilyHeaderBytes = 4;
    private const int ErrorBytes = 20;

    /// <summary>Version of the commands: of all families that are asked here.</summary>
    private const byte FamilyVersion = LibC.VDPA_GENL_VERSION;

    private readonly SafeFileHandle _socket;
    private readonly string _family;
    private readonly byte[] _received = new byte[MessageBytesMax];
    private ushort _familyId;
    private uint _sequence;

    private GenericNetlink(SafeFileHandle socket, string family)
    {
        _socket = socket;
        _family = family;
    }

    /// <summary>Finds a family.</summary>
    /// <param name="family">Its name, such as <c>vdpa</c>.</param>
    /// <exception cref="LinuxException">ENOENT: there is none; the module that has it is not loaded.</exception>
    public static GenericNetlink Open(string family)
    {
        ArgumentException.ThrowIfNullOrEmpty(family);
        SafeFileHandle socket = LinuxException.ThrowIfInvalid(
            LibC.socket(LibC.AF_NETLINK, LibC.SOCK_RAW | LibC.SOCK_CLOEXEC, LibC.NETLINK_GENERIC),
            nameof(LibC.socket),
            "netlink"
        );
        GenericNetlink netlink = new(socket, family);
        try
        {
            netlink.AskForReasons();
            List<NetlinkAttributes> answers = netlink.Exchange(
                LibC.GENL_ID_CTRL,
                LibC.CTRL_CMD_GETFAMILY,
                isDump: false,
                [(LibC.CTRL_ATTR_FAMILY_NAME, family)]
            );
            ulong? id = answers.Count > 0 ? answers[0].Number(LibC.CTRL_ATTR_FAMILY_ID) : null;
            netlink._familyId = (ushort)(id ?? throw new LinuxException(Errno.ENOENT, "netlink", family));
            return netlink;
        }
        catch
        {
            netlink.Dispose();
            throw;
        }
    }

    /// <summary>Sends a request and waits for its answers.</summary>
    /// <param name="command">The family's command.</param>
    /// <param name="isDump">Whether all objects are asked for.</param>
    /// <param name="attributes">Strings that go with it, by their numbers.</param>
    /// <returns>The answers' attributes; empty when the command only does something.</returns>
    /// <exception cref="LinuxException">The kernel refused; the message has its reason where it gave one.</exception>
    public IReadOnlyList<NetlinkAttributes> Request(
        byte command,
        bool isDump,
        params ReadOnlySpan<(ushort Type, string Text)> attributes
    ) => Exchange(_familyId, command, isDump, attributes);

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    // SAFETY: the kernel reads a local number.
    private unsafe void AskForReasons()
    {
        int on = 1;
        // An old kernel gives none.
        _ = LibC.setsockopt(_socket, LibC.SOL_NETLINK, LibC.NETLINK_EXT_ACK, &on, sizeof(int));
    }

    private List<NetlinkAttributes> Exchange(
        ushort type,
        byte command,
        bool isDump,
        ReadOnlySpan<(ushort Type, string Text)> attributes
    )
    {
        Send(Compose(type, command, isDump, attributes));
        List<NetlinkAttributes> answers = [];
        while (!Receive(answers)) { }

        return answers;
    }

    private byte[] Compose(ushort type, byte command, bool isDump, ReadOnlySpan<(ushort Type, string Text)> attributes)
    {
        genlmsghdr family = new() { cmd = command, version = FamilyVersion };
        List<byte> body = [.. MemoryMarshal.AsBytes(new ReadOnlySpan<genlmsghdr>(in family))];
        foreach ((ushort number, string text) in attributes)
        {
            NetlinkAttributes.Append(body, number, text);
        }

        nlmsghdr header = new()
        {
            nlmsg_len = (uint)(HeaderBytes + body.Count),
            nlmsg_type = type,
            nlmsg_flags = (ushort)(LibC.NLM_F_REQUEST | (isDump ? LibC.NLM_F_DUMP : LibC.NLM_F_ACK)),
            nlmsg_seq = ++_sequence,
        };
        return [.. MemoryMarshal.AsBytes(new ReadOnlySpan<nlmsghdr>(in header)), .. body];
    }

    // SAFETY: the message is pinned during the call.
    private unsafe void Send(byte[] message)
    {
        fixed (byte* bytes = message)
        {
            while (LibC.write(_socket, bytes, (nuint)message.Length) < 0)
            {
                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    throw new LinuxException(error, "netlink", _family);
                }
            }
        }
    }

    /// <summary>Takes one datagram.</summary>
    /// <returns>Whether the exchange is over.</returns>
    // SAFETY: the kernel fills at most the length of the pinned buffer.
    private unsafe bool Receive(List<NetlinkAttributes> answers)
    {
        nint length;
        fixed (byte* bytes = _received)
        {
            while ((length = LibC.read(_socket, bytes, (nuint)_received.Length)) < 0)
            {
                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    throw new LinuxException(error, "netlink", _family);
                }
            }
        }

        ReadOnlySpan<byte> rest = _received.AsSpan(0, (int)length);
        while (rest.Length >= HeaderBytes)
        {
            nlmsghdr header = MemoryMarshal.Read<nlmsghdr>(rest);
            if (header.nlmsg_len < HeaderBytes || header.nlmsg_len > rest.Length)
            {
                throw new LinuxException(Errno.EBADMSG, "netlink", _family);
            }

            ReadOnlySpan<byte> body = rest[HeaderBytes..(int)header.nlmsg_len];
            // What belongs to an exchange that was given up earlier is not ours.
            if (header.nlmsg_seq == _sequence && Take(header, body, answers))
            {
                return true;
            }

            rest = rest[Math.Min(rest.Length, NetlinkAttributes.Align((int)header.nlmsg_len))..];
        }

        return false;
    }

    /// <summary>Takes one message.</summary>
    /// <returns>Whether it is the last one.</returns>
    private bool Take(nlmsghdr header, ReadOnlySpan<byte> body, List<NetlinkAttributes> answers)
    {
        if (header.nlmsg_type == LibC.NLMSG_DONE)
        {
            return true;
        }

        if (header.nlmsg_type == LibC.NLMSG_ERROR)
        {
            ThrowIfRefused(header, body);
            return true;
        }

        answers.Add(new(body[Math.Min(FamilyHeaderBytes, body.Length)..]));
        return false;
    }

    private void ThrowIfRefused(nlmsghdr header, ReadOnlySpan<byte> body)
    {
        int error = body.Length >= ErrorBytes ? MemoryMarshal.Read<nlmsgerr>(body).error : 0;
        if (error == 0)
        {
            return;
        }

        string? reason = null;
        if ((header.nlmsg_flags & LibC.NLM_F_ACK_TLVS) != 0)
        {
            nlmsgerr refusal = MemoryMarshal.Read<nlmsgerr>(body);
            // The refused message comes back in between, unless only its header does.
            bool isCapped = (header.nlmsg_flags & LibC.NLM_F_CAPPED) != 0;
            int start = sizeof(int) + (isCapped ? HeaderBytes : NetlinkAttributes.Align((int)refusal.msg.nlmsg_len));
            reason = start < body.Length ? new NetlinkAttributes(body[start..]).Text(LibC.NLMSGERR_ATTR_MSG) : null;
        }

        throw new LinuxException((Errno)(-error), "netlink", reason is null ? _family : $"{_family}: {reason}");
    }
}
