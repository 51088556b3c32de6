using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Nbd;

/// <summary>A disk that an NBD server exports, used by calls that wait: the source or target of a copy, or behind another image.</summary>
public sealed class NbdImage : DiskImage
{
    /// <summary>Questions about more than this are cut: their length has 32 bits.</summary>
    private const long RangeBytesMax = 1L << 30;

    private const int CallsKeptMax = 8;

    private readonly NbdAddress _address;
    private readonly NbdClient _client;
    private readonly Stack<NbdCall> _calls = new();
    private readonly Lock _gate = new();

    private NbdImage(NbdAddress address, NbdClient client, bool isReadOnly)
        : base(address.Text, isReadOnly)
    {
        _address = address;
        _client = client;
    }

    /// <inheritdoc/>
    public override ImageFormat Format => ImageFormat.Raw;

    /// <inheritdoc/>
    public override long LengthBytes => _client.Export.LengthBytes;

    private long UnitBytes => _client.Export.BlockBytesMin;

    /// <summary>Connects to an export.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="options">How it is used; null for the defaults.</param>
    /// <exception cref="ImageException">The server is not there, is not what it should be, or allows no writing.</exception>
    public static NbdImage Open(NbdAddress address, NbdOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        options ??= new();
        var client = NbdClient.Open(address, options);
        bool isReadOnly = client.Export.Flags.HasFlag(NbdExportFlags.ReadOnly);
        if (isReadOnly && !options.IsReadOnly)
        {
            client.Dispose();
            throw new ImageException($"'{address.Text}' can only be read");
        }

        return new(address, client, options.IsReadOnly);
    }

    /// <inheritdoc/>
    public override ImageExtent Map(long offset, long length)
    {
        length = Math.Min(length, LengthBytes - offset);
        if (_client.Export.AllocationContext is null)
        {
            return new(ExtentKind.Data, length, offset);
        }

        long start = offset - offset % UnitBytes;
        long end = Math.Min(RoundUp(offset + length), start + RangeBytesMax);
        NbdCall call = Take();
        try
        {
            call.Run(
                _client,
                _address,
                NbdCommand.BlockStatus,
                NbdProtocol.RequestOneExtent,
                start,
                (uint)(Math.Min(end, LengthBytes) - start)
            );
            (long found, uint flags) = call.Extent;
            if (start + found <= offset)
            {
                // A server that does not keep to its own blocks: what it says ends before what was asked for.
                return new(ExtentKind.Data, Math.Min(length, UnitBytes - (offset - start)), offset);
            }

            long inside = Math.Min(start + found - offset, length);
            bool isZero = (flags & NbdProtocol.StatusZero) != 0;
            return new(isZero ? ExtentKind.Zero : ExtentKind.Data, inside, offset);
        }
        finally
        {
            Return(call);
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        NbdCall call = Take();
        try
        {
            while (!source.IsEmpty)
            {
                int count = PieceOf(offset, source.Length, out long start, out int length);
                int inside = (int)(offset - start);
                if (count != length)
                {
                    call.Run(_client, _address, NbdCommand.Read, 0, start, (uint)length);
                }

                source[..count].CopyTo(call.Bytes(length)[inside..]);
                call.Run(_client, _address, NbdCommand.Write, 0, start, (uint)length);
                offset += count;
                source = source[count..];
            }
        }
        finally
        {
            Return(call);
        }
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, bool mayUnmap)
    {
        bool isAligned = offset % UnitBytes == 0 && length % UnitBytes == 0;
        if (!_client.Export.Flags.HasFlag(NbdExportFlags.WriteZeroes) || !isAligned)
        {
            byte[] zeroes = new byte[(int)Math.Min(length, NbdCall.BufferBytes)];
            for (long done = 0; done < length; done += zeroes.Length)
            {
                Write(offset + done, zeroes.AsSpan(0, (int)Math.Min(zeroes.Length, length - done)));
            }

            return;
        }

        InPieces(NbdCommand.WriteZeroes, mayUnmap ? (ushort)0 : NbdProtocol.RequestNoHole, offset, length);
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length)
    {
        long start = RoundUp(offset);
        long end = (offset + length) / UnitBytes * UnitBytes;
        if (_client.Export.Flags.HasFlag(NbdExportFlags.Trim) && end > start)
        {
            InPieces(NbdCommand.Trim, 0, start, end - start);
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        if (_client.Export.Flags.HasFlag(NbdExportFlags.Flush))
        {
            NbdCall call = Take();
            try
            {
                call.Run(_client, _address, NbdCommand.Flush, 0, 0, 0);
            }
            finally
            {
                Return(call);
            }
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _client.Dispose();
        while (_calls.TryPop(out NbdCall? call))
        {
            call.Dispose();
        }

        base.Dispose();
    }

    private protected override void ReadData(long fileOffset, Span<byte> destination)
    {
        NbdCall call = Take();
        try
        {
            while (!destination.IsEmpty)
            {
                int count = PieceOf(fileOffset, destination.Length, out long start, out int length);
                call.Run(_client, _address, NbdCommand.Read, 0, start, (uint)length);
                call.Bytes(length).Slice((int)(fileOffset - start), count).CopyTo(destination);
                fileOffset += count;
                destination = destination[count..];
            }
        }
        finally
        {
            Return(call);
        }
    }

    /// <summary>The next piece of a transfer, and the blocks that hold it.</summary>
    private int PieceOf(long offset, int wanted, out long start, out int length)
    {
        long most = Math.Min(NbdCall.BufferBytes, _client.Export.PayloadBytesMax);
        start = offset - offset % UnitBytes;
        long end = Math.Min(Math.Min(RoundUp(offset + wanted), start + most), LengthBytes);
        length = (int)(end - start);
        return (int)Math.Min(wanted, end - offset);
    }

    private void InPieces(NbdCommand command, ushort flags, long offset, long length)
    {
        NbdCall call = Take();
        try
        {
            while (length > 0)
            {
                long piece = Math.Min(length, RangeBytesMax);
                call.Run(_client, _address, command, flags, offset, (uint)piece);
                offset += piece;
                length -= piece;
            }
        }
        finally
        {
            Return(call);
        }
    }

    private long RoundUp(long offset) => (offset + UnitBytes - 1) / UnitBytes * UnitBytes;

    private NbdCall Take()
    {
        lock (_gate)
        {
            return _calls.TryPop(out NbdCall? call) ? call : new();
        }
    }

    private void Return(NbdCall call)
    {
        lock (_gate)
        {
            if (_calls.Count < CallsKeptMax)
            {
                _calls.Push(call);
                return;
            }
        }

        call.Dispose();
    }
}
