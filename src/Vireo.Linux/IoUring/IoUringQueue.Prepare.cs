using System.Runtime.CompilerServices;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <content>Requests. All of them return false when there is no room; submit, or take completions, and try again.</content>
public sealed unsafe partial class IoUringQueue
{
    // SAFETY: as for the class.
    private readonly SubmissionRing _submission;
    private readonly IoVectorArena _vectors;

    /// <summary>Requests prepared or on their way: each has its place in the completion ring, which so cannot overflow.</summary>
    private uint _outstanding;

    /// <summary>Prepares a request that does nothing.</summary>
    /// <param name="userData">The number its completion will have.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareNop(ulong userData) => Begin(LibC.IORING_OP_NOP, userData) != null;

    /// <summary>Prepares a read into one piece of memory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file; -1 for the descriptor's own position, and for what has none.</param>
    /// <param name="buffer">Where the bytes go; the kernel's until the completion was taken. At most 2 GiB are read at once.</param>
    /// <param name="userData">The number its completion will have; its result is the bytes read, 0 at the end.</param>
    /// <param name="flags">How.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareRead(
        IoUringFile file,
        long offset,
        IoVector buffer,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    ) => TryPrepareTransfer(LibC.IORING_OP_READ, file, offset, buffer, userData, flags);

    /// <summary>Prepares a write from one piece of memory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file; -1 for the descriptor's own position, and for what has none.</param>
    /// <param name="buffer">The bytes; not to be changed until the completion was taken. At most 2 GiB are written at once.</param>
    /// <param name="userData">The number its completion will have; its result is the bytes written, perhaps fewer.</param>
    /// <param name="flags">How.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareWrite(
        IoUringFile file,
        long offset,
        IoVector buffer,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    ) => TryPrepareTransfer(LibC.IORING_OP_WRITE, file, offset, buffer, userData, flags);

    /// <summary>Prepares a read into several pieces of memory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file; -1 as in TryPrepareRead.</param>
    /// <param name="buffers">Where the bytes go, 1 to 1024 pieces. The list is copied now.</param>
    /// <param name="userData">The number its completion will have.</param>
    /// <param name="flags">How.</param>
    /// <returns>False when there is no room.</returns>
    /// <exception cref="ArgumentOutOfRangeException">No piece, or too many.</exception>
    public bool TryPrepareReadVector(
        IoUringFile file,
        long offset,
        ReadOnlySpan<IoVector> buffers,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    ) =>
        buffers.Length == 1
            ? TryPrepareRead(file, offset, buffers[0], userData, flags)
            : TryPrepareVector(LibC.IORING_OP_READV, file, offset, buffers, userData, flags);

    /// <summary>Prepares a write from several pieces of memory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file; -1 as in TryPrepareWrite.</param>
    /// <param name="buffers">The bytes, 1 to 1024 pieces. The list is copied now.</param>
    /// <param name="userData">The number its completion will have.</param>
    /// <param name="flags">How.</param>
    /// <returns>False when there is no room.</returns>
    /// <exception cref="ArgumentOutOfRangeException">No piece, or too many.</exception>
    public bool TryPrepareWriteVector(
        IoUringFile file,
        long offset,
        ReadOnlySpan<IoVector> buffers,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    ) =>
        buffers.Length == 1
            ? TryPrepareWrite(file, offset, buffers[0], userData, flags)
            : TryPrepareVector(LibC.IORING_OP_WRITEV, file, offset, buffers, userData, flags);

    /// <summary>Prepares a read into memory registered with <see cref="TryRegisterBuffers"/>.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file.</param>
    /// <param name="buffer">A part of the registered piece.</param>
    /// <param name="bufferIndex">Which piece, by its place in the list that was registered.</param>
    /// <param name="userData">The number its completion will have; EFAULT: not within the piece.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareReadFixed(
        IoUringFile file,
        long offset,
        IoVector buffer,
        ushort bufferIndex,
        ulong userData
    ) => TryPrepareFixed(LibC.IORING_OP_READ_FIXED, file, offset, buffer, bufferIndex, userData);

    /// <summary>Prepares a write from memory registered with <see cref="TryRegisterBuffers"/>.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">First byte in the file.</param>
    /// <param name="buffer">A part of the registered piece.</param>
    /// <param name="bufferIndex">Which piece, by its place in the list that was registered.</param>
    /// <param name="userData">The number its completion will have; EFAULT: not within the piece.</param>
    /// <param name="flags">How.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareWriteFixed(
        IoUringFile file,
        long offset,
        IoVector buffer,
        ushort bufferIndex,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    ) => TryPrepareFixed(LibC.IORING_OP_WRITE_FIXED, file, offset, buffer, bufferIndex, userData, flags);

    /// <summary>Prepares a request that brings written data to the disk. It is not ordered after requests on their way.</summary>
    /// <param name="file">The file.</param>
    /// <param name="isDataOnly">Whether metadata that are not needed to find the data may stay behind (fdatasync).</param>
    /// <param name="userData">The number its completion will have.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareSync(IoUringFile file, bool isDataOnly, ulong userData)
    {
        io_uring_sqe* entry = Begin(LibC.IORING_OP_FSYNC, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->rw_flags = isDataOnly ? LibC.IORING_FSYNC_DATASYNC : 0;
        return true;
    }

    /// <summary>Prepares a request that allocates, zeroes or frees a range of a file (fallocate).</summary>
    /// <param name="file">The file.</param>
    /// <param name="mode">What to do.</param>
    /// <param name="offset">First byte, from 0.</param>
    /// <param name="length">Bytes, from 1.</param>
    /// <param name="userData">The number its completion will have; EOPNOTSUPP: the file system cannot.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareAllocate(IoUringFile file, AllocateMode mode, long offset, long length, ulong userData)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        io_uring_sqe* entry = Begin(LibC.IORING_OP_FALLOCATE, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->off = offset;
        entry->addr = (ulong)length;
        entry->len = (uint)mode;
        return true;
    }

    /// <summary>Prepares a request that completes, once, when a descriptor becomes ready.</summary>
    /// <remarks>
    /// Not for eventfds, if a loop sleeps on <see cref="Handle"/>: the kernel has to put off a signal that is caused by another, and
    /// since Linux 6.11 it forgets the second one it has put off. Watch those with the loop itself.
    /// </remarks>
    /// <param name="file">The descriptor.</param>
    /// <param name="events">For what; EdgeTriggered is ignored.</param>
    /// <param name="userData">The number its completion will have; its result is what is ready.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPreparePoll(IoUringFile file, LoopEvents events, ulong userData)
    {
        io_uring_sqe* entry = Begin(LibC.IORING_OP_POLL_ADD, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->rw_flags = (uint)(events & ~LoopEvents.EdgeTriggered);
        return true;
    }

    /// <summary>Prepares a request that cancels another.</summary>
    /// <param name="target">The number of the request to cancel. Its completion then has ECANCELED, or is not affected.</param>
    /// <param name="userData">The number of this one's completion; ENOENT: not found, EALREADY: too late.</param>
    /// <returns>False when there is no room.</returns>
    public bool TryPrepareCancel(ulong target, ulong userData)
    {
        io_uring_sqe* entry = Begin(LibC.IORING_OP_ASYNC_CANCEL, userData);
        if (entry == null)
        {
            return false;
        }

        entry->fd = -1;
        entry->addr = target;
        return true;
    }

    private bool TryPrepareTransfer(
        byte operation,
        IoUringFile file,
        long offset,
        IoVector buffer,
        ulong userData,
        ReadWriteFlags flags
    )
    {
        io_uring_sqe* entry = Begin(operation, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->off = offset;
        entry->addr = (ulong)buffer.Base;
        entry->len = LengthOf(buffer);
        entry->rw_flags = (uint)flags;
        return true;
    }

    private bool TryPrepareFixed(
        byte operation,
        IoUringFile file,
        long offset,
        IoVector buffer,
        ushort bufferIndex,
        ulong userData,
        ReadWriteFlags flags = ReadWriteFlags.None
    )
    {
        io_uring_sqe* entry = Begin(operation, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->off = offset;
        entry->addr = (ulong)buffer.Base;
        entry->len = LengthOf(buffer);
        entry->rw_flags = (uint)flags;
        entry->buf_index = bufferIndex;
        return true;
    }

    private bool TryPrepareVector(
        byte operation,
        IoUringFile file,
        long offset,
        ReadOnlySpan<IoVector> buffers,
        ulong userData,
        ReadWriteFlags flags
    )
    {
        ArgumentOutOfRangeException.ThrowIfZero(buffers.Length, nameof(buffers));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(buffers.Length, IoVectorArena.PerRequestMax, nameof(buffers));
        if (!_vectors.HasRoomFor(buffers.Length))
        {
            // A thread of the kernel's takes requests when it likes; look whether it has taken them all by now.
            ForgetTakenVectors();
            if (!_vectors.HasRoomFor(buffers.Length))
            {
                return false;
            }
        }

        io_uring_sqe* entry = Begin(operation, file, userData);
        if (entry == null)
        {
            return false;
        }

        entry->off = offset;
        entry->addr = _vectors.Add(buffers);
        entry->len = (uint)buffers.Length;
        entry->rw_flags = (uint)flags;
        return true;
    }

    /// <summary>More than the kernel transfers at once is a short transfer by definition, as it is for the system calls.</summary>
    private static uint LengthOf(IoVector buffer) => (uint)Math.Min(buffer.Length, int.MaxValue);

    /// <summary>Takes an entry for a request about a file.</summary>
    /// <returns>The entry, cleared but for what all have; null when there is no room.</returns>
    private io_uring_sqe* Begin(byte operation, IoUringFile file, ulong userData)
    {
        file.ThrowIfNotOf(this);
        io_uring_sqe* entry = Begin(operation, userData);
        if (entry != null)
        {
            bool isFixed = file.Slot >= 0;
            entry->fd = isFixed ? file.Slot : file.Descriptor;
            entry->flags = isFixed ? LibC.IOSQE_FIXED_FILE : (byte)0;
        }

        return entry;
    }

    /// <summary>Takes an entry for a request.</summary>
    /// <returns>The entry, cleared but for what all have; null when there is no room.</returns>
    private io_uring_sqe* Begin(byte operation, ulong userData)
    {
        if (_isDisposed)
        {
            ThrowDisposed();
        }

        io_uring_sqe* entry = _outstanding < _completion.Size ? _submission.Next() : null;
        if (entry != null)
        {
            _outstanding++;
            entry->opcode = operation;
            entry->user_data = userData;
        }

        return entry;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowDisposed() => throw new ObjectDisposedException(GetType().FullName);
}
