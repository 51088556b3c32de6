using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>A client's side of DMA_READ and DMA_WRITE: a guest's memory, in one of the forms that clients have, or wrong in some way.</summary>
internal sealed class DistantRam(GuestRam ram, bool isShortCount = false)
{
    private const int HeadBytes = 16;
    private const ulong TransferBytesMax = 1 << 20;

    /// <summary>Commands that were kept without an answer, as a client that is busy keeps them.</summary>
    private readonly Queue<(MessageHeader Header, byte[] Payload)> _kept = new();

    /// <summary>How many commands have come.</summary>
    public int Commands { get; private set; }

    /// <summary>Of commands that move something, the longest.</summary>
    public ulong LongestBytes { get; private set; }

    /// <summary>Whether commands are kept without an answer.</summary>
    public bool IsSilent { get; set; }

    /// <summary>What is done to answers that move something; may change anything.</summary>
    public Func<Answer, Answer>? Tamper { get; set; }

    public void Serve(Client client, MessageHeader header, byte[] payload)
    {
        Commands++;
        if (IsSilent)
        {
            _kept.Enqueue((header, payload));
        }
        else
        {
            Answers(client, header, payload);
        }
    }

    /// <summary>Answers what was kept.</summary>
    public void Release(Client client)
    {
        IsSilent = false;
        while (_kept.TryDequeue(out (MessageHeader Header, byte[] Payload) command))
        {
            Answers(client, command.Header, command.Payload);
        }
    }

    private void Answers(Client client, MessageHeader header, byte[] payload)
    {
        Assert.True(payload.Length >= HeadBytes);
        ulong address = BitConverter.ToUInt64(payload);
        ulong count = isShortCount ? BitConverter.ToUInt32(payload, 8) : BitConverter.ToUInt64(payload, 8);
        Answer answer = new(header.Id, header.Command, Errno.None, []);
        if (count > TransferBytesMax)
        {
            answer = answer with { Error = Errno.E2BIG };
        }
        else if (header.Command == Command.DmaRead)
        {
            answer = Read(answer, address, count);
        }
        else
        {
            answer = Write(answer, address, count, payload);
        }

        LongestBytes = Math.Max(LongestBytes, count > TransferBytesMax ? 0 : count);
        if (Tamper is not null && count is > 0 and <= TransferBytesMax)
        {
            answer = Tamper(answer);
        }

        client.Answer(answer);
    }

    private Answer Read(Answer answer, ulong address, ulong count)
    {
        byte[] bytes = new byte[HeadBytes + (int)count];
        BitConverter.TryWriteBytes(bytes, address);
        BitConverter.TryWriteBytes(bytes.AsSpan(8), count);
        return ram.Memory.TryRead(new(address), bytes.AsSpan(isShortCount ? 12 : HeadBytes, (int)count))
            ? answer with
            {
                Payload = bytes,
            }
            : answer with
            {
                Error = Errno.EFAULT,
            };
    }

    private Answer Write(Answer answer, ulong address, ulong count, byte[] payload)
    {
        Assert.Equal(HeadBytes + (int)count, payload.Length);
        return ram.Memory.TryWrite(new(address), payload.AsSpan(isShortCount ? 12 : HeadBytes, (int)count))
            ? answer with
            {
                Payload = isShortCount ? [] : payload[..HeadBytes],
            }
            : answer with
            {
                Error = Errno.EFAULT,
            };
    }

    /// <summary>An answer before it is sent.</summary>
    internal sealed record Answer(ushort Id, Command Command, Errno Error, byte[] Payload);
}
