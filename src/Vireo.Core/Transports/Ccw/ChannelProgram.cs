using System.Buffers.Binary;
using Vireo.Core.Memory;

namespace Vireo.Core.Transports.Ccw;

/// <summary>Goes through a channel program: fetches its words, chains data and commands, judges lengths.</summary>
/// <remarks>Knows the channel, not the device: what a command does is <see cref="CcwDevice"/>'s. Everything is bounded.</remarks>
internal sealed class ChannelProgram
{
    /// <summary>The most words of one program: a program that jumps in circles is wrong.</summary>
    private const int WordsMax = 1024;

    /// <summary>The highest address a program may lie at.</summary>
    private const uint AddressMax = 0x7fff_ffff;

    private readonly GuestMemory _memory;
    private readonly ChannelRequest _request;

    /// <summary>Address of the next word.</summary>
    private uint _next;

    private int _words;

    /// <summary>Prepares a program.</summary>
    /// <param name="memory">The memory it lies in.</param>
    /// <param name="request">Where, and how it is to be read.</param>
    public ChannelProgram(GuestMemory memory, ChannelRequest request)
    {
        _memory = memory;
        _request = request;
        _next = request.ProgramAddress;
    }

    /// <summary>Address behind the last word that was looked at.</summary>
    public uint Address => _next;

    /// <summary>Fetches the next command with all its data.</summary>
    /// <param name="command">Which command.</param>
    /// <param name="data">Where its data lies.</param>
    /// <param name="flags">The flags of its last word: whether another command follows, and whether lengths count.</param>
    /// <returns>None, or what is wrong with the program.</returns>
    public ChannelStatus TryFetch(out CcwCommand command, out ChannelData data, out byte flags)
    {
        data = new(_memory);
        command = default;
        flags = 0;
        bool isFirst = true;
        do
        {
            ChannelStatus status = TryFetchWord(out ChannelWord word);
            if (status != ChannelStatus.None)
            {
                return status;
            }

            if (isFirst && !word.IsCommand || word.Has(ChannelWord.Unsupported) || !TryAddData(word, data, ref status))
            {
                return status == ChannelStatus.None ? ChannelStatus.ProgramCheck : status;
            }

            command = isFirst ? word.Command : command;
            flags = word.Flags;
            isFirst = false;
        } while ((flags & ChannelWord.ChainData) != 0);

        return ChannelStatus.None;
    }

    /// <summary>Fetches a word that is not a jump; one jump may lie before it, and none before the first.</summary>
    private ChannelStatus TryFetchWord(out ChannelWord word)
    {
        bool mayJump = _words > 0;
        while (true)
        {
            ChannelStatus status = TryReadWord(out word);
            if (status != ChannelStatus.None || !word.IsTransfer)
            {
                return status;
            }

            if (!mayJump || _request.IsFormat1 && word.Command != CcwCommand.TransferInChannel)
            {
                return ChannelStatus.ProgramCheck;
            }

            mayJump = false;
            _next = word.Address;
        }
    }

    private ChannelStatus TryReadWord(out ChannelWord word)
    {
        word = default;
        if (_words == WordsMax || _next % ChannelWord.LengthBytes != 0 || _next > AddressMax - ChannelWord.LengthBytes)
        {
            return ChannelStatus.ProgramCheck;
        }

        Span<byte> bytes = stackalloc byte[ChannelWord.LengthBytes];
        if (!_memory.TryRead(new(_next), bytes))
        {
            return ChannelStatus.ProgramCheck;
        }

        _words++;
        _next += ChannelWord.LengthBytes;
        word = ChannelWord.Parse(bytes, _request.IsFormat1);
        return word.Address <= AddressMax ? ChannelStatus.None : ChannelStatus.ProgramCheck;
    }

    private bool TryAddData(ChannelWord word, ChannelData data, ref ChannelStatus status)
    {
        // A count of zero is a command without data in format 1, and nothing at all in format 0 or within a chain of data.
        if (word.Count == 0 && (!_request.IsFormat1 || word.Has(ChannelWord.ChainData)))
        {
            return false;
        }

        if (word.Has(ChannelWord.Indirect))
        {
            return TryAddIndirect(word, data, ref status);
        }

        data.Add(word.Address, word.Count, word.Has(ChannelWord.Skip));
        return true;
    }

    /// <summary>Each address word stands for one block of data; the first block may begin within.</summary>
    private bool TryAddIndirect(ChannelWord word, ChannelData data, ref ChannelStatus status)
    {
        int wordBytes = _request.HasLongAddressWords ? sizeof(ulong) : sizeof(uint);
        uint blockBytes = _request.HasLongAddressWords && !_request.HasSmallBlocks ? 4096u : 2048u;
        if (word.Address % (uint)wordBytes != 0)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        int left = word.Count;
        uint at = word.Address;
        for (bool isFirst = true; left > 0; isFirst = false)
        {
            if (!_memory.TryRead(new(at), bytes[..wordBytes]))
            {
                status = ChannelStatus.ProgramCheck;
                return false;
            }

            ulong address = _request.HasLongAddressWords
                ? BinaryPrimitives.ReadUInt64BigEndian(bytes)
                : BinaryPrimitives.ReadUInt32BigEndian(bytes);
            uint offset = (uint)(address % blockBytes);
            if (!isFirst && offset != 0)
            {
                return false;
            }

            int count = Math.Min(left, (int)(blockBytes - offset));
            data.Add(address, count, word.Has(ChannelWord.Skip));
            left -= count;
            at += (uint)wordBytes;
        }

        return true;
    }
}
