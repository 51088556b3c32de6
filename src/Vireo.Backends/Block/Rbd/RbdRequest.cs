using System.Runtime.InteropServices;
using Vireo.Backends.Block.Images;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Rbd;

/// <summary>What remains of one request. The loop's own.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct RbdRequest
{
    /// <summary>What it is.</summary>
    public ImageRequestKind Kind;

    /// <summary>Whether a write is to be stable when it completes, or zeroes may free storage.</summary>
    public bool Flag;

    /// <summary>First byte on the disk of what remains.</summary>
    public long OffsetBytes;

    /// <summary>Bytes of a range that remain.</summary>
    public long RemainingBytes;

    /// <summary>Bytes of the part that is on its way.</summary>
    public long PartBytes;

    /// <summary>Memory of what remains of a transfer.</summary>
    public ArraySegment<Segment> Memory;

    /// <summary>Segments on their way.</summary>
    public int PartSegments;
}
