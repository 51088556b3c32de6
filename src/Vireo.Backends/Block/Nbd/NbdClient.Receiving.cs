using System.Buffers.Binary;
using System.Net.Sockets;
using Vireo.Backends.Block.Images;
using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Nbd;

/// <content>The thread that receives.</content>
internal sealed partial class NbdClient
{
    private const int ChunkBytesMax = 65536;

    /// <summary>How long the receiver sleeps at most before it looks again whether a request was sent.</summary>
    private const int SentCheckMs = 10;

    /// <summary>Whether an exception means that the connection is of no use any more.</summary>
    private static bool IsLoss(Exception exception) =>
        exception
            is IOException
                or SocketException
                or ObjectDisposedException
                or InvalidOperationException
                or OverflowException
                or ArgumentException;

    /// <summary>Takes answers until the connection ends.</summary>
    /// <returns>Why it has.</returns>
    private string ReceiveReplies(NbdWire wire)
    {
        try
        {
            while (true)
            {
                uint magic = wire.TakeU32();
                if (magic == NbdProtocol.SimpleReplyMagic)
                {
                    TakeReply(wire);
                }
                else if (magic == NbdProtocol.StructuredReplyMagic && Export.IsStructured)
                {
                    TakeChunk(wire);
                }
                else
                {
                    throw new ImageException($"an answer begins with {magic:x8}");
                }
            }
        }
        catch (Exception exception) when (IsLoss(exception))
        {
            return exception.Message;
        }
    }

    /// <summary>An answer in one piece.</summary>
    private void TakeReply(NbdWire wire)
    {
        ReadOnlySpan<byte> header = wire.Take(NbdProtocol.SimpleReplyBytes - sizeof(uint));
        uint error = BinaryPrimitives.ReadUInt32BigEndian(header);
        NbdRequest request = Find(BinaryPrimitives.ReadUInt64BigEndian(header[4..]));
        request.Error = error;
        if (error == 0 && request.Command == NbdCommand.Read)
        {
            if (Export.IsStructured)
            {
                throw new ImageException("a read was answered in the form that was agreed not to be used");
            }

            foreach (Segment segment in request.Memory.AsSpan())
            {
                wire.TakeTo(segment.Bytes);
            }

            request.Cover(0, request.LengthBytes);
        }

        End(request);
    }

    /// <summary>A piece of an answer.</summary>
    private void TakeChunk(NbdWire wire)
    {
        ReadOnlySpan<byte> header = wire.Take(NbdProtocol.ChunkHeaderBytes - sizeof(uint));
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(header);
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(header[2..]);
        NbdRequest request = Find(BinaryPrimitives.ReadUInt64BigEndian(header[4..]));
        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        switch (type)
        {
            case NbdProtocol.ChunkNone when length == 0:
                break;
            case NbdProtocol.ChunkData
                when request.Command == NbdCommand.Read
                    && length > sizeof(ulong)
                    && length - sizeof(ulong) <= request.LengthBytes:
                TakeData(wire, request, length - sizeof(ulong));
                break;
            case NbdProtocol.ChunkHole when request.Command == NbdCommand.Read && length == 12:
                TakeHole(wire, request);
                break;
            case NbdProtocol.ChunkStatus when request.Command == NbdCommand.BlockStatus && length <= ChunkBytesMax:
                TakeStatus(request, wire.Take((int)length));
                break;
            case >= NbdProtocol.ChunkIsError when length <= ChunkBytesMax:
                TakeError(request, wire.Take((int)length));
                break;
            default:
                throw new ImageException(
                    $"an answer to {request.Command} has a piece of type {type} with {length} bytes"
                );
        }

        if ((flags & NbdProtocol.ChunkIsLast) != 0)
        {
            End(request);
        }
    }

    private static void TakeData(NbdWire wire, NbdRequest request, long length)
    {
        long start = Place(request, wire.TakeU64(), length);
        request.Cover(start, length);
        foreach (Segment segment in request.Memory.AsSpan())
        {
            if (start < segment.Length && length > 0)
            {
                int count = (int)Math.Min(segment.Length - start, length);
                wire.TakeTo(segment.Bytes.Slice((int)start, count));
                (start, length) = (0, length - count);
            }
            else
            {
                start -= Math.Min(start, segment.Length);
            }
        }
    }

    private static void TakeHole(NbdWire wire, NbdRequest request)
    {
        ulong offset = wire.TakeU64();
        long length = wire.TakeU32();
        long start = Place(request, offset, length);
        request.Cover(start, length);
        foreach (Segment segment in request.Memory.AsSpan())
        {
            if (start < segment.Length && length > 0)
            {
                int count = (int)Math.Min(segment.Length - start, length);
                segment.Bytes.Slice((int)start, count).Clear();
                (start, length) = (0, length - count);
            }
            else
            {
                start -= Math.Min(start, segment.Length);
            }
        }
    }

    /// <summary>Where a part of an answer begins in its request.</summary>
    private static long Place(NbdRequest request, ulong offset, long length)
    {
        ulong begin = (ulong)request.OffsetBytes;
        bool isInside = offset >= begin && offset - begin <= request.LengthBytes;
        return isInside && length > 0 && length <= request.LengthBytes - (long)(offset - begin)
            ? (long)(offset - begin)
            : throw new ImageException($"{length} bytes at {offset} came, which nobody asked for");
    }

    private void TakeStatus(NbdRequest request, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 12 || bytes.Length % 8 != 4 || request.Extent.LengthBytes != 0)
        {
            throw new ImageException($"an answer about what is allocated has {bytes.Length} bytes");
        }

        if (BinaryPrimitives.ReadUInt32BigEndian(bytes) != Export.AllocationContext)
        {
            throw new ImageException("an answer is about a context that nobody asked for");
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]);
        uint flags = BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]);
        request.Extent =
            length > 0
                ? (Math.Min(length, request.LengthBytes), flags)
                : throw new ImageException("an answer about what is allocated is about no byte");
    }

    private static void TakeError(NbdRequest request, ReadOnlySpan<byte> bytes)
    {
        uint error = bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : 0;
        if (request.Error == 0)
        {
            // An error without a number is one all the same.
            request.Error = error == 0 ? NbdProtocol.ErrorIo : error;
        }
    }

    /// <summary>The request that an answer names, once it was sent as a whole.</summary>
    private NbdRequest Find(ulong cookie)
    {
        uint slot = (uint)(cookie & uint.MaxValue);
        lock (_gate)
        {
            if (slot >= SlotsMax || _slots[slot] is not { } request || request.Cookie != cookie)
            {
                throw new ImageException($"an answer came that nobody has asked for ({cookie:x16})");
            }

            // Only a server that answers what it has not read yet makes us wait, and it may have the other thread wait for ever.
            while (!request.IsSent && _isSending)
            {
                Monitor.Wait(_gate, SentCheckMs);
            }

            return request.IsSent ? request : throw new ImageException("an answer came before its request was sent");
        }
    }

    private void End(NbdRequest request)
    {
        bool isWhole = request.Command switch
        {
            NbdCommand.Read => request.IsCovered,
            NbdCommand.BlockStatus => request.Extent.LengthBytes > 0,
            _ => true,
        };
        if (request.Error == 0 && !isWhole)
        {
            throw new ImageException(
                $"the answer to {request.Command} at {request.OffsetBytes} ended before it was whole"
            );
        }

        lock (_gate)
        {
            int slot = (int)(request.Cookie & uint.MaxValue);
            _slots[slot] = null;
            _free.Push(slot);
            if (_waiting.Count > 0)
            {
                Monitor.PulseAll(_gate);
            }
        }

        BlockResult result = request.Error switch
        {
            0 => BlockResult.Done,
            NbdProtocol.ErrorNoSpace => BlockResult.NoSpace,
            NbdProtocol.ErrorNotSupported => BlockResult.Unsupported,
            _ => BlockResult.IoError,
        };
        request.Owner.Complete(request, result);
    }
}
