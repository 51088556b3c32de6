using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Backends.Block.Images;

/// <summary>The way from one queue to an image.</summary>
/// <remarks>
/// What the mapping in memory shows to be in the file goes there on the loop, from and to the guest's own memory. Everything else -
/// a table that has to be read first, room that has to be found, compressed data, a backing image - is a worker's.
/// </remarks>
internal sealed class ImageChannel : IBlockChannel, IBlockCompletions
{
    private readonly ImageDisk _disk;
    private readonly DiskImage _image;
    private readonly IBlockCompletions _completions;
    private readonly ImageWorker _worker;

    /// <summary>The way to the image's file; null when everything is a worker's.</summary>
    private readonly IBlockChannel? _file;

    private readonly ImageRequest[] _requests;

    /// <summary>Makes a channel.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="queueIndex">Which queue, for the disk to choose the loop.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    public ImageChannel(ImageDisk disk, int queueIndex, int tagCount, IBlockCompletions completions)
    {
        _disk = disk;
        _image = disk.Image;
        _completions = completions;
        _requests = new ImageRequest[tagCount];
        _file = disk.File?.OpenChannel(queueIndex, tagCount, this);
        _worker = new(disk.Loops[queueIndex], disk.Workers, tagCount, this);
        _worker.Start();
    }

    /// <inheritdoc/>
    public void UseMemory(GuestMemory memory) => _file?.UseMemory(memory);

    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes) =>
        BeginTransfer(tag, ImageRequestKind.Read, destination, offsetBytes, isStable: false);

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        BeginTransfer(tag, ImageRequestKind.Write, source, offsetBytes, isStable || _disk.Traits.IsWriteThrough);

    /// <inheritdoc/>
    public void Flush(uint tag)
    {
        ref ImageRequest request = ref Begin(tag, ImageRequestKind.Flush, 0, 0, flag: false);
        if (_disk.File is { HasLostWrites: true })
        {
            _completions.Complete(tag, BlockResult.IoError);
            return;
        }

        if (_file is null || _image.HasUnwrittenMetadata || _image.HasLostWrites)
        {
            _worker.Submit(tag);
            return;
        }

        request.IsInFile = true;
        _file.Flush(tag);
    }

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes)
    {
        Begin(tag, ImageRequestKind.Discard, offsetBytes, lengthBytes, flag: false);
        _worker.Submit(tag);
    }

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap)
    {
        Begin(tag, ImageRequestKind.WriteZeroes, offsetBytes, lengthBytes, mayUnmap);
        _worker.Submit(tag);
    }

    /// <inheritdoc/>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        _completions.Complete(tag, BlockResult.Unsupported);

    /// <inheritdoc/>
    public void BeginStop() => _file?.BeginStop();

    /// <inheritdoc/>
    public void Dispose()
    {
        _worker.Dispose();
        _file?.Dispose();
    }

    /// <summary>The file has ended its work on a part.</summary>
    public void Complete(uint tag, BlockResult result)
    {
        ref ImageRequest request = ref _requests[tag];
        request.IsInFile = false;
        if (request.Kind == ImageRequestKind.Flush)
        {
            _completions.Complete(tag, result);
            return;
        }

        request.Memory.TakeBack();
        _image.EndAccess(request.Token);
        if (result != BlockResult.Done)
        {
            _completions.Complete(tag, result);
            return;
        }

        request.Advance(request.PartBytes);
        Continue(tag);
    }

    /// <summary>A worker has carried out what remained of a request.</summary>
    internal void OnWorked(uint tag, BlockResult result) => _completions.Complete(tag, result);

    /// <summary>Carries out what remains of a request; on a worker's thread.</summary>
    internal BlockResult CarryOut(uint tag)
    {
        ref ImageRequest request = ref _requests[tag];
        try
        {
            CarryOut(ref request);
            return BlockResult.Done;
        }
        catch (LinuxException exception) when (exception.Error is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG)
        {
            return BlockResult.NoSpace;
        }
        catch (Exception exception)
            when (exception is IOException or InvalidDataException or OverflowException or NotSupportedException)
        {
            // What the image's bytes say can be anything: it costs the request, not the process.
            _disk.Report(exception);
            return BlockResult.IoError;
        }
    }

    private ref ImageRequest Begin(uint tag, ImageRequestKind kind, long offsetBytes, long lengthBytes, bool flag)
    {
        ref ImageRequest request = ref _requests[tag];
        request = default;
        request.Kind = kind;
        request.OffsetBytes = offsetBytes;
        request.RemainingBytes = lengthBytes;
        request.Flag = flag;
        return ref request;
    }

    private void BeginTransfer(
        uint tag,
        ImageRequestKind kind,
        ArraySegment<Segment> segments,
        long offsetBytes,
        bool isStable
    )
    {
        ref ImageRequest request = ref Begin(tag, kind, offsetBytes, 0, isStable);
        request.Memory = new(segments);
        foreach (ref readonly Segment segment in segments.AsSpan())
        {
            request.RemainingBytes += segment.Length;
        }

        Continue(tag);
    }

    /// <summary>Does the next part of a transfer.</summary>
    private void Continue(uint tag)
    {
        ref ImageRequest request = ref _requests[tag];
        bool isWrite = request.Kind == ImageRequestKind.Write;
        while (request.RemainingBytes > 0)
        {
            FastMapping mapping = _image.TryMap(request.OffsetBytes, request.RemainingBytes, isWrite);
            switch (mapping.Kind)
            {
                case FastKind.File when _file is not null:
                    SubmitPart(tag, ref request, in mapping);
                    return;
                case FastKind.Zero when !isWrite:
                    request.Memory.Clear(mapping.LengthBytes);
                    request.Advance(mapping.LengthBytes);
                    break;
                default:
                    _worker.Submit(tag);
                    return;
            }
        }

        if (isWrite && request.Flag && _image.HasUnwrittenMetadata)
        {
            _worker.Submit(tag);
            return;
        }

        _completions.Complete(tag, BlockResult.Done);
    }

    private void SubmitPart(uint tag, ref ImageRequest request, in FastMapping mapping)
    {
        request.IsInFile = true;
        request.Token = mapping.Token;
        request.PartBytes = mapping.LengthBytes;
        ArraySegment<Segment> memory = request.Memory.Lend(mapping.LengthBytes);
        if (request.Kind == ImageRequestKind.Read)
        {
            _file!.Read(tag, memory, mapping.FileOffset);
        }
        else
        {
            _file!.Write(tag, memory, mapping.FileOffset, request.Flag);
        }
    }

    private void CarryOut(ref ImageRequest request)
    {
        switch (request.Kind)
        {
            case ImageRequestKind.Read or ImageRequestKind.Write:
                Transfer(ref request);
                break;
            case ImageRequestKind.Discard:
                _image.Discard(request.OffsetBytes, request.RemainingBytes);
                break;
            case ImageRequestKind.WriteZeroes:
                _image.WriteZeroes(request.OffsetBytes, request.RemainingBytes, request.Flag);
                break;
            default:
                _image.Flush();
                break;
        }

        if (request.Kind is ImageRequestKind.Write or ImageRequestKind.WriteZeroes)
        {
            // The file may have become longer: who reads it takes what lies behind its end for zeroes.
            _disk.File?.NoteGrowth();
        }
    }

    private void Transfer(ref ImageRequest request)
    {
        byte[] buffer = _disk.TakeBuffer();
        try
        {
            while (request.RemainingBytes > 0)
            {
                // Pieces end where clusters do, so that none is allocated for half of what is written.
                long room = ImageDisk.BufferBytes - (request.OffsetBytes & (ImageDisk.BufferBytes - 1));
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(request.RemainingBytes, room));
                if (request.Kind == ImageRequestKind.Read)
                {
                    _image.Read(request.OffsetBytes, piece);
                    request.Memory.CopyFrom(piece);
                }
                else
                {
                    request.Memory.CopyTo(piece);
                    _image.Write(request.OffsetBytes, piece);
                }

                request.Advance(piece.Length);
            }
        }
        finally
        {
            _disk.ReturnBuffer(buffer);
        }

        if (request.Kind == ImageRequestKind.Write && request.Flag)
        {
            _image.Flush();
        }
    }
}
