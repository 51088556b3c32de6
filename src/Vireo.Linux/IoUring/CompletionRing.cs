using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <summary>The ring of completions: the kernel writes entries and the tail, we write the head.</summary>
// SAFETY: the pointers point into the mapping the queue owns, at the offsets the kernel stated; positions are masked.
internal sealed unsafe class CompletionRing
{
    private readonly uint* _head;
    private readonly uint* _tail;
    private readonly uint* _flags;
    private readonly uint _mask;
    private readonly IoUringCompletion* _entries;

    /// <summary>The head, which only we write.</summary>
    private uint _ownHead;

    internal CompletionRing(nint rings, io_uring_params parameters)
    {
        io_cqring_offsets offsets = parameters.cq_off;
        byte* start = (byte*)rings;
        _head = (uint*)(start + offsets.head);
        _tail = (uint*)(start + offsets.tail);
        _flags = (uint*)(start + offsets.flags);
        _entries = (IoUringCompletion*)(start + offsets.cqes);
        Size = parameters.cq_entries;
        _mask = Size - 1;
    }

    /// <summary>Entries in the ring, a power of two.</summary>
    internal uint Size { get; }

    /// <summary>Whether there is an entry to take.</summary>
    internal bool IsEmpty =>
        // Acquire: the entry is read after the tail that covers it.
        Volatile.Read(ref *_tail) == _ownHead;

    /// <summary>Entries to take.</summary>
    internal uint Count =>
        // Acquire: as in IsEmpty.
        RingPosition.Distance(_ownHead, Volatile.Read(ref *_tail));

    /// <summary>Says whether the kernel shall signal the event descriptor for what completes from now on.</summary>
    internal void SetSignalling(bool isWanted)
    {
        *_flags = isWanted ? 0 : LibC.IORING_CQ_EVENTFD_DISABLED;
        // Full: the wish is visible before we look for completions; the kernel adds them before it looks at the wish.
        Interlocked.MemoryBarrier();
    }

    /// <summary>Takes entries in the order of completion.</summary>
    /// <returns>How many were taken.</returns>
    internal int Take(Span<IoUringCompletion> destination)
    {
        int count = (int)Math.Min(Count, (uint)destination.Length);
        for (int index = 0; index < count; index++)
        {
            destination[index] = _entries[RingPosition.Advance(_ownHead, (uint)index) & _mask];
        }

        if (count != 0)
        {
            _ownHead = RingPosition.Advance(_ownHead, (uint)count);
            // Release: the entries are copied before the kernel may write over them.
            Volatile.Write(ref *_head, _ownHead);
        }

        return count;
    }
}
