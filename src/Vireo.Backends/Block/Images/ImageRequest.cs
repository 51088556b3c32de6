using System.Runtime.InteropServices;

namespace Vireo.Backends.Block.Images;

/// <summary>What remains of one request to an image. Owned by the loop, and by a worker while it carries it out.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct ImageRequest
{
    /// <summary>What it is.</summary>
    public ImageRequestKind Kind;

    /// <summary>Whether a write is to be stable when it completes, or zeroes may free storage.</summary>
    public bool Flag;

    /// <summary>Whether the file is at work on a part, and not a worker.</summary>
    public bool IsInFile;

    /// <summary>Bytes of the part the file is at work on.</summary>
    public long PartBytes;

    /// <summary>What ends the access to that part.</summary>
    public int Token;

    /// <summary>First byte on the disk of what remains.</summary>
    public long OffsetBytes;

    /// <summary>Bytes that remain.</summary>
    public long RemainingBytes;

    /// <summary>Memory of what remains.</summary>
    public SegmentCursor Memory;

    /// <summary>Bytes were moved.</summary>
    public void Advance(long lengthBytes)
    {
        Memory.Advance(lengthBytes);
        OffsetBytes += lengthBytes;
        RemainingBytes -= lengthBytes;
    }
}
