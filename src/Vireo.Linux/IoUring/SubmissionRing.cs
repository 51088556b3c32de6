using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <summary>The ring of requests: we write entries and the tail, the kernel writes the head.</summary>
// SAFETY: the pointers point into the mappings the queue owns, at the offsets the kernel stated; positions are masked.
internal sealed unsafe class SubmissionRing
{
    private readonly uint* _head;
    private readonly uint* _tail;
    private readonly uint* _flags;
    private readonly uint _mask;
    private readonly io_uring_sqe* _entries;

    /// <summary>The kernel's head when we last looked.</summary>
    private uint _cachedHead;

    /// <summary>The tail the kernel may see.</summary>
    private uint _publishedTail;

    /// <summary>The tail with the prepared entries.</summary>
    private uint _preparedTail;

    internal SubmissionRing(nint rings, nint entries, io_uring_params parameters)
    {
        io_sqring_offsets offsets = parameters.sq_off;
        byte* start = (byte*)rings;
        _head = (uint*)(start + offsets.head);
        _tail = (uint*)(start + offsets.tail);
        _flags = (uint*)(start + offsets.flags);
        _entries = (io_uring_sqe*)entries;
        Size = parameters.sq_entries;
        _mask = Size - 1;
        // The kernel looks entries up through this array, so that they could be sent in another order. We never do.
        uint* array = (uint*)(start + offsets.array);
        for (uint index = 0; index < Size; index++)
        {
            array[index] = index;
        }
    }

    /// <summary>Entries in the ring, a power of two.</summary>
    internal uint Size { get; }

    /// <summary>Entries that are prepared and not published.</summary>
    internal uint Prepared => RingPosition.Distance(_publishedTail, _preparedTail);

    /// <summary>Entries that are published and that the kernel has not taken.</summary>
    internal uint Untaken =>
        // Acquire: an entry is ours again once the kernel has moved the head past it.
        RingPosition.Distance(Volatile.Read(ref *_head), _publishedTail);

    /// <summary>What the kernel wants us to do.</summary>
    internal uint Flags =>
        // Acquire: read before the completions it speaks of.
        Volatile.Read(ref *_flags);

    /// <summary>The next free entry, cleared; null when there is none.</summary>
    internal io_uring_sqe* Next()
    {
        if (RingPosition.Distance(_cachedHead, _preparedTail) == Size)
        {
            // Acquire: the kernel has read the entry for the last time before it moves the head past it.
            _cachedHead = Volatile.Read(ref *_head);
            if (RingPosition.Distance(_cachedHead, _preparedTail) == Size)
            {
                return null;
            }
        }

        io_uring_sqe* entry = _entries + (_preparedTail & _mask);
        *entry = default;
        _preparedTail = RingPosition.Advance(_preparedTail, 1);
        return entry;
    }

    /// <summary>Shows the prepared entries to the kernel.</summary>
    internal void Publish()
    {
        if (_publishedTail == _preparedTail)
        {
            return;
        }

        _publishedTail = _preparedTail;
        // Release: the entries are complete before the tail says so.
        Volatile.Write(ref *_tail, _publishedTail);
    }
}
