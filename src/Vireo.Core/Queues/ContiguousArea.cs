using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>An area of a ring that lies in one piece: nearly all do.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly unsafe struct ContiguousArea : IRingArea
{
    private readonly byte* _start;

    /// <summary>Takes the piece.</summary>
    // SAFETY: the piece was checked against memory that outlives the queue.
    public ContiguousArea(Segment piece) => _start = (byte*)piece.Address;

    /// <inheritdoc/>
    // SAFETY: queues ask for offsets below the length that the area was located with: positions are masked or compared first.
    public ref T At<T>(int offset)
        where T : unmanaged => ref *(T*)(_start + (uint)offset);
}
