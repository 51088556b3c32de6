namespace Vireo.Core.Memory;

/// <summary>A bitmap of the guest pages that a device has written, shared with whoever migrates the guest.</summary>
/// <remarks>
/// One bit per 4,096-byte page from guest address 0, set atomically because the reader clears bits at the same time. May be
/// used by several loops at once. Does not own the bitmap's memory.
/// </remarks>
public sealed unsafe class DirtyLog
{
    /// <summary>Bytes of guest memory per bit.</summary>
    public const int PageBytes = 4096;

    private readonly byte* _bitmap;
    private readonly ulong _pageCount;

    /// <summary>Writes into a bitmap.</summary>
    /// <param name="bitmap">
    /// Host address of the bitmap. The caller vouches that it stays mapped and writable while queues use this log.
    /// </param>
    /// <param name="lengthBytes">Length of the bitmap in bytes; pages past its end are not recorded.</param>
    // SAFETY: only the address is kept here; Mark stays below the length that the caller vouches for.
    public DirtyLog(nint bitmap, ulong lengthBytes)
    {
        // Whole 32-bit words only, because that is the unit of the atomic operation.
        _bitmap = (byte*)bitmap;
        _pageCount = lengthBytes / sizeof(uint) * sizeof(uint) * 8;
    }

    /// <summary>Records that a range was written.</summary>
    /// <param name="address">Guest-physical address of the first byte.</param>
    /// <param name="lengthBytes">Length in bytes; 0 records nothing.</param>
    public void Mark(GuestAddress address, uint lengthBytes)
    {
        if (lengthBytes == 0)
        {
            return;
        }

        ulong first = address.Value / PageBytes;
        ulong last =
            address.Value > ulong.MaxValue - (lengthBytes - 1)
                ? ulong.MaxValue / PageBytes
                : (address.Value + (lengthBytes - 1)) / PageBytes;
        for (ulong page = first; page <= last && page < _pageCount; page++)
        {
            // SAFETY: page is below _pageCount, so the word lies in the bitmap.
            // Full: the page's contents were written before; the reader must see them when it sees the bit.
            Interlocked.Or(ref *(uint*)(_bitmap + page / 32 * 4), 1u << (int)(page % 32));
        }
    }
}
