using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>Writes frames and their headers into buffers.</summary>
internal sealed partial class NetReceiveQueueHandler
{
    /// <summary>Writes a frame into a buffer of one piece: nearly all are.</summary>
    private static void WriteWhole(in Segment piece, in NetFrame frame)
    {
        Span<byte> buffer = piece.Bytes;
        if (frame.Header.IsPlain)
        {
            WritePlainHeader(in piece);
        }
        else
        {
            Wire.Write(buffer, frame.Header);
            BinaryPrimitives.WriteUInt16LittleEndian(buffer[NetHeader.BufferCountOffset..], 1);
        }

        frame.CopyTo(buffer[NetHeader.LengthBytes..]);
    }

    /// <summary>Writes the header of a frame in one buffer to which nothing is to be done.</summary>
    /// <remarks>
    /// A buffer comes back again and again, with the same header in it. Where that lies in a line of its own, as DPDK has it, the line is
    /// not written, and the driver's processor keeps it.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WritePlainHeader(in Segment piece)
    {
        const uint OneBuffer = 1 << 16;
        Span<byte> header = piece.Bytes[..NetHeader.LengthBytes];
        if (
            !piece.IsStartApart(NetHeader.LengthBytes)
            || BinaryPrimitives.ReadUInt64LittleEndian(header) != 0
            || BinaryPrimitives.ReadUInt32LittleEndian(header[sizeof(ulong)..]) != OneBuffer
        )
        {
            // Two stores: zeroes, and one buffer.
            BinaryPrimitives.WriteUInt64LittleEndian(header, 0);
            BinaryPrimitives.WriteUInt32LittleEndian(header[sizeof(ulong)..], OneBuffer);
        }
    }

    private static void Copy(ref ChainWriter writer, in NetFrame frame)
    {
        writer.TryCopyFrom(frame.Head);
        foreach (Segment segment in frame.Rest)
        {
            writer.TryCopyFrom(segment.Bytes);
        }
    }

    private static void Copy(ref NetStockWriter writer, in NetFrame frame)
    {
        writer.Write(frame.Head);
        foreach (Segment segment in frame.Rest)
        {
            writer.Write(segment.Bytes);
        }
    }

    private void WriteHeader(ref ChainWriter writer, in NetFrame frame, NetHash hash, ushort bufferCount)
    {
        Span<byte> bytes = stackalloc byte[HeaderBytesMax];
        writer.TryCopyFrom(MakeHeader(bytes, in frame, hash, bufferCount));
    }

    private void WriteHeader(ref NetStockWriter writer, in NetFrame frame, NetHash hash, ushort bufferCount)
    {
        Span<byte> bytes = stackalloc byte[HeaderBytesMax];
        writer.Write(MakeHeader(bytes, in frame, hash, bufferCount));
    }

    /// <summary>Makes a header as long as was negotiated.</summary>
    private ReadOnlySpan<byte> MakeHeader(Span<byte> bytes, in NetFrame frame, NetHash hash, ushort bufferCount)
    {
        bytes.Clear();
        Wire.Write(bytes, frame.Header with { BufferCount = bufferCount });
        if (_reportsHash)
        {
            Wire.Write(bytes[NetHeader.LengthBytes..], new NetHashHeader(hash.Value, hash.Report));
        }

        if (frame.Header.IsTunnel)
        {
            frame.Tunnel.Write(bytes);
        }

        if (_headerBytes == HeaderBytesMax)
        {
            Span<byte> head = stackalloc byte[HeadBytesOfNetwork];
            // Zero says that there is none, or that it is not known.
            int offset = Math.Max(NetLayout.Of(head[..frame.CopyHeadTo(head)]).NetworkOffset, 0);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[NetworkHeaderOffset..], (ushort)offset);
        }

        return bytes[.._headerBytes];
    }
}
