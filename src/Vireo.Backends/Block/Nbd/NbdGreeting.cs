using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Nbd;

/// <summary>Agrees with a server on what is exported and how: the fixed newstyle negotiation.</summary>
internal sealed class NbdGreeting
{
    private const int BlockBytesMax = 65536;
    private const int SectorBytes = 512;
    private const int RepliesMax = 1000;

    private readonly NbdWire _wire;
    private readonly NbdAddress _address;

    private NbdGreeting(NbdWire wire, NbdAddress address)
    {
        _wire = wire;
        _address = address;
    }

    /// <summary>Goes through the negotiation.</summary>
    /// <exception cref="ImageException">The server does not speak the protocol, or has no such export.</exception>
    /// <exception cref="IOException">The connection is gone.</exception>
    public static NbdExport Run(NbdWire wire, NbdAddress address) => new NbdGreeting(wire, address).Run();

    private NbdExport Run()
    {
        ushort flags = Begin();
        if (_address.HasTls)
        {
            SendOption(NbdProtocol.OptionStartTls, []);
            uint reply = ReadAnswer(NbdProtocol.OptionStartTls);
            if (reply != NbdProtocol.ReplyAck)
            {
                throw Wrong("does not offer TLS; write nbd in place of nbds if that is right");
            }

            _wire.StartTls(_address);
        }

        SendOption(NbdProtocol.OptionStructuredReply, []);
        bool isStructured = ReadAnswer(NbdProtocol.OptionStructuredReply) == NbdProtocol.ReplyAck;
        uint? context = isStructured ? AskForAllocation() : null;
        NbdExport export = Go(flags) with { IsStructured = isStructured, AllocationContext = context };
        _wire.EndGreeting();
        return export;
    }

    private ushort Begin()
    {
        ReadOnlySpan<byte> greeting = _wire.Take(NbdProtocol.GreetingBytes);
        ulong magic = BinaryPrimitives.ReadUInt64BigEndian(greeting);
        ulong style = BinaryPrimitives.ReadUInt64BigEndian(greeting[8..]);
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(greeting[16..]);
        if (magic != NbdProtocol.Magic)
        {
            throw Wrong($"is no NBD server: it begins with {magic:x16} and not with 'NBDMAGIC'");
        }

        if (style != NbdProtocol.OptionMagic || (flags & NbdProtocol.FlagFixedNewstyle) == 0)
        {
            throw Wrong("speaks an old form of the protocol; fixed newstyle is needed");
        }

        Span<byte> answer = stackalloc byte[4];
        uint accepted = flags & (uint)(NbdProtocol.FlagFixedNewstyle | NbdProtocol.FlagNoZeroes);
        BinaryPrimitives.WriteUInt32BigEndian(answer, accepted);
        _wire.Send(answer);
        return flags;
    }

    private void SendOption(uint option, ReadOnlySpan<byte> data)
    {
        byte[] bytes = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), (uint)data.Length);
        data.CopyTo(bytes.AsSpan(16));
        _wire.Send(bytes);
    }

    /// <summary>Reads one reply.</summary>
    private uint ReadReply(uint option, out byte[] data)
    {
        ReadOnlySpan<byte> header = _wire.Take(NbdProtocol.OptionReplyHeaderBytes);
        ulong magic = BinaryPrimitives.ReadUInt64BigEndian(header);
        uint about = BinaryPrimitives.ReadUInt32BigEndian(header[8..]);
        uint reply = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[16..]);
        if (magic != NbdProtocol.OptionReplyMagic || about != option)
        {
            throw Wrong($"answered option {option} with option {about}, magic {magic:x}");
        }

        if (length > NbdProtocol.OptionReplyBytesMax)
        {
            throw Wrong($"answered option {option} with {length} bytes; at most {NbdProtocol.OptionReplyBytesMax}");
        }

        data = _wire.Take((int)length).ToArray();
        return reply;
    }

    /// <summary>Reads the reply to an option that has just one.</summary>
    private uint ReadAnswer(uint option)
    {
        uint reply = ReadReply(option, out byte[] data);
        return reply is NbdProtocol.ReplyTlsRequired or NbdProtocol.ReplyShutdown ? throw Refused(reply, data) : reply;
    }

    private uint? AskForAllocation()
    {
        byte[] name = Encoding.UTF8.GetBytes(_address.Export);
        byte[] query = Encoding.ASCII.GetBytes(NbdProtocol.AllocationContext);
        byte[] data = new byte[12 + name.Length + query.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)name.Length);
        name.CopyTo(data, 4);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(4 + name.Length), 1);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(8 + name.Length), (uint)query.Length);
        query.CopyTo(data, 12 + name.Length);
        SendOption(NbdProtocol.OptionSetMetaContext, data);
        uint? context = null;
        for (int count = 0; count < RepliesMax; count++)
        {
            uint reply = ReadReply(NbdProtocol.OptionSetMetaContext, out byte[] answer);
            switch (reply)
            {
                case NbdProtocol.ReplyAck:
                    return context;
                case NbdProtocol.ReplyMetaContext:
                    bool isOurs =
                        answer.Length == 4 + query.Length && answer.AsSpan(4).SequenceEqual(query) && context is null;
                    context = isOurs
                        ? BinaryPrimitives.ReadUInt32BigEndian(answer)
                        : throw Wrong("chose a metadata context that nobody asked for");
                    break;
                case >= NbdProtocol.ReplyIsError:
                    return null;
                default:
                    throw Wrong($"answered a question about metadata contexts with {reply}");
            }
        }

        throw Wrong($"answered one question about metadata contexts more than {RepliesMax} times");
    }

    private NbdExport Go(ushort handshakeFlags)
    {
        byte[] name = Encoding.UTF8.GetBytes(_address.Export);
        byte[] data = new byte[8 + name.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)name.Length);
        name.CopyTo(data, 4);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(4 + name.Length), 1);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(6 + name.Length), NbdProtocol.InfoBlockSize);
        SendOption(NbdProtocol.OptionGo, data);
        (ulong Length, ushort Flags)? export = null;
        (uint Min, uint Preferred, uint Max) blocks = (1, 4096, NbdProtocol.UsualPayloadMax);
        for (int count = 0; count < RepliesMax; count++)
        {
            uint reply = ReadReply(NbdProtocol.OptionGo, out byte[] answer);
            switch (reply)
            {
                case NbdProtocol.ReplyAck when export is { } whole:
                    return Check(whole.Length, whole.Flags, blocks);
                case NbdProtocol.ReplyInfo when answer.Length >= 2:
                    ReadInfo(answer, ref export, ref blocks);
                    break;
                case NbdProtocol.ReplyUnsupported:
                    return AskByName(name, handshakeFlags);
                case >= NbdProtocol.ReplyIsError:
                    throw Refused(reply, answer);
                default:
                    throw Wrong($"answered the wish for export '{_address.Export}' with {reply}");
            }
        }

        throw Wrong($"told more than {RepliesMax} things about export '{_address.Export}'");
    }

    private static void ReadInfo(
        byte[] answer,
        ref (ulong Length, ushort Flags)? export,
        ref (uint Min, uint Preferred, uint Max) blocks
    )
    {
        ReadOnlySpan<byte> rest = answer.AsSpan(2);
        switch (BinaryPrimitives.ReadUInt16BigEndian(answer))
        {
            case NbdProtocol.InfoExport when rest.Length == 10:
                export = (BinaryPrimitives.ReadUInt64BigEndian(rest), BinaryPrimitives.ReadUInt16BigEndian(rest[8..]));
                break;
            case NbdProtocol.InfoBlockSize when rest.Length == 12:
                blocks = (
                    BinaryPrimitives.ReadUInt32BigEndian(rest),
                    BinaryPrimitives.ReadUInt32BigEndian(rest[4..]),
                    BinaryPrimitives.ReadUInt32BigEndian(rest[8..])
                );
                break;
            default:
                // Other information may come whether it was asked for or not.
                break;
        }
    }

    /// <summary>What servers without NBD_OPT_GO understand.</summary>
    private NbdExport AskByName(byte[] name, ushort handshakeFlags)
    {
        SendOption(NbdProtocol.OptionExportName, name);
        ulong length = _wire.TakeU64();
        ushort flags = _wire.TakeU16();
        if ((handshakeFlags & NbdProtocol.FlagNoZeroes) == 0)
        {
            _wire.Take(NbdProtocol.ExportNameZeroes);
        }

        return Check(length, flags, (1, 4096, NbdProtocol.UsualPayloadMax));
    }

    private NbdExport Check(ulong length, ushort flags, (uint Min, uint Preferred, uint Max) blocks)
    {
        if (length > long.MaxValue - BlockBytesMax)
        {
            throw Wrong($"exports {length} bytes; at most {long.MaxValue - BlockBytesMax}");
        }

        if (!BitOperations.IsPow2(blocks.Min) || blocks.Min > BlockBytesMax)
        {
            throw Wrong($"wants requests in blocks of {blocks.Min} bytes; a power of two, at most {BlockBytesMax}");
        }

        bool isPreference = BitOperations.IsPow2(blocks.Preferred) && blocks.Preferred >= blocks.Min;
        if (!isPreference || blocks.Max < Math.Max(blocks.Min, SectorBytes) || blocks.Max < blocks.Preferred)
        {
            throw Wrong(
                $"names block sizes that contradict each other: {blocks.Min}, best {blocks.Preferred}, at most {blocks.Max}"
            );
        }

        uint most = Math.Min(blocks.Max, NbdProtocol.UsualPayloadMax);
        uint unit = Math.Max(blocks.Min, SectorBytes);
        uint preferred = Math.Min(blocks.Preferred, 1U << 30);
        NbdExportFlags known = (flags & (ushort)NbdExportFlags.HasFlags) != 0 ? (NbdExportFlags)flags : default;
        return new((long)length, known, (int)blocks.Min, (int)preferred, (int)(most - most % unit), false, null);
    }

    private ImageException Refused(uint reply, byte[] data)
    {
        string why = reply switch
        {
            NbdProtocol.ReplyTlsRequired => "wants TLS; write nbds in place of nbd",
            NbdProtocol.ReplyUnknown => $"has no export '{_address.Export}'",
            NbdProtocol.ReplyPolicy => $"does not allow export '{_address.Export}'",
            NbdProtocol.ReplyShutdown => "is about to end",
            _ => $"refuses export '{_address.Export}' with error {reply & ~NbdProtocol.ReplyIsError}",
        };
        string said = Printable(data);
        return Wrong(said.Length > 0 ? $"{why} ('{said}')" : why);
    }

    private ImageException Wrong(string what) => new($"the server of '{_address.Text}' {what}");

    /// <summary>What a server says, without what would confuse a terminal.</summary>
    internal static string Printable(ReadOnlySpan<byte> text)
    {
        const int BytesMax = 256;
        StringBuilder clean = new();
        foreach (char letter in Encoding.UTF8.GetString(text[..Math.Min(text.Length, BytesMax)]))
        {
            clean.Append(char.IsControl(letter) ? '.' : letter);
        }

        return clean.ToString();
    }
}
