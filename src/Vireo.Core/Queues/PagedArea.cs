using System.Runtime.InteropServices;

namespace Vireo.Core.Queues;

/// <summary>An area of a ring whose pages lie apart in this process, as I/O translation can leave them (decision 0003).</summary>
/// <remarks>Everything in a ring is aligned to its size or to 4 bytes and read in such pieces, so nothing lies across a border.</remarks>
[StructLayout(LayoutKind.Auto)]
internal readonly unsafe struct PagedArea : IRingArea
{
    /// <summary>Size of a piece: the smallest page that any platform translates.</summary>
    public const int PageBytes = 4096;

    private const int PageShift = 12;

    /// <summary>Host address of each page.</summary>
    private readonly nint[] _pages;

    /// <summary>Where in the first page the area begins.</summary>
    private readonly int _start;

    /// <summary>Puts an area together.</summary>
    /// <param name="pages">Host address of each page; of the first, the address where the page would begin.</param>
    /// <param name="start">Where in the first page the area begins.</param>
    public PagedArea(nint[] pages, int start)
    {
        _pages = pages;
        _start = start;
    }

    /// <inheritdoc/>
    // SAFETY: the page number is checked by the array; each page was located for all bytes of the area that lie in it.
    public ref T At<T>(int offset)
        where T : unmanaged
    {
        int position = _start + offset;
        return ref *(T*)(_pages[position >> PageShift] + (position & (PageBytes - 1)));
    }
}
