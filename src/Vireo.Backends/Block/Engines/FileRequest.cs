using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Engines;

/// <summary>One piece of work for an engine.</summary>
/// <param name="Operation">What to do.</param>
/// <param name="File">With which descriptor.</param>
/// <param name="OffsetBytes">First byte in the file.</param>
/// <param name="LengthBytes">Length, where there are no segments.</param>
/// <param name="Segments">Memory of a read or write, at most 1024 pieces; kept in place until the request completes.</param>
/// <param name="IsStable">Whether a write is to be on the storage when it completes.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FileRequest(
    FileOperation Operation,
    FileChoice File,
    long OffsetBytes,
    long LengthBytes,
    ArraySegment<Segment> Segments,
    bool IsStable
)
{
    /// <summary>Most segments one request may have: the kernel's own limit (UIO_MAXIOV).</summary>
    public const int SegmentsMax = 1024;
}
