using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <content>Files and buffers the kernel is told of beforehand.</content>
public sealed unsafe partial class IoUringQueue
{
    // SAFETY: as for the class; what is registered here is read by the kernel during the call only.

    /// <summary>Which places of the table of files are taken.</summary>
    private readonly bool[] _slots;

    /// <summary>Whether the kernel has a table; without one, requests name descriptors.</summary>
    private readonly bool _hasFileTable;

    /// <summary>Makes a file known to this queue, so that requests can name it.</summary>
    /// <param name="handle">The file. It stays the caller's; this queue keeps it open until it is detached.</param>
    /// <returns>The file as requests name it, the caller's to dispose.</returns>
    /// <exception cref="ObjectDisposedException">The queue or the handle is closed.</exception>
    public IoUringFile Attach(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int slot = _hasFileTable ? Array.IndexOf(_slots, false) : -1;
        using DescriptorLease lease = new(handle);
        if (slot < 0 || !UpdateSlot(slot, lease.Number))
        {
            return new IoUringFile(this, handle, -1);
        }

        _slots[slot] = true;
        return new IoUringFile(this, handle, slot);
    }

    /// <summary>
    /// Makes memory known to the kernel, which then keeps it in place and need not look up its pages for every request. Replaces what
    /// was registered before.
    /// </summary>
    /// <param name="buffers">The pieces, at most 16384, of at most 1 GiB each; none to take the registration back.</param>
    /// <returns>
    /// None, or why not: ENOMEM when the limit of locked memory is reached, EOPNOTSUPP and EFAULT for memory that cannot be kept
    /// in place. Use requests without fixed buffers then.
    /// </returns>
    public Errno TryRegisterBuffers(ReadOnlySpan<IoVector> buffers)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (LibC.io_uring_register(_ring, LibC.IORING_UNREGISTER_BUFFERS, null, 0) < 0)
        {
            Errno error = LinuxException.LastError;
            // ENXIO: nothing was registered.
            if (error != Errno.ENXIO)
            {
                return error;
            }
        }

        if (buffers.IsEmpty)
        {
            return Errno.None;
        }

        fixed (IoVector* vectors = buffers)
        {
            int result = LibC.io_uring_register(_ring, LibC.IORING_REGISTER_BUFFERS, vectors, (uint)buffers.Length);
            return result < 0 ? LinuxException.LastError : Errno.None;
        }
    }

    /// <summary>Takes a file out of the table.</summary>
    /// <returns>
    /// False when requests that name it could not be submitted: its number must then not be given to another file, ever.
    /// </returns>
    internal bool TryDetach(IoUringFile file)
    {
        if (_isDisposed)
        {
            return true;
        }

        if (!TryFlush())
        {
            return false;
        }

        if (file.Slot >= 0 && UpdateSlot(file.Slot, -1))
        {
            _slots[file.Slot] = false;
        }

        return true;
    }

    private void RegisterSignal()
    {
        using DescriptorLease lease = new(_signal.Handle);
        int descriptor = lease.Number;
        int result = LibC.io_uring_register(_ring, LibC.IORING_REGISTER_EVENTFD, &descriptor, 1);
        LinuxException.ThrowIfNegative(result, nameof(LibC.io_uring_register), "IORING_REGISTER_EVENTFD");
        _completion.SetSignalling(IsSignalAlwaysOn);
    }

    private bool RegisterEmptyTable(int size)
    {
        int[] empty = new int[size];
        Array.Fill(empty, -1);
        fixed (int* descriptors = empty)
        {
            return LibC.io_uring_register(_ring, LibC.IORING_REGISTER_FILES, descriptors, (uint)size) >= 0;
        }
    }

    private bool UpdateSlot(int slot, int descriptor)
    {
        io_uring_files_update update = new() { offset = (uint)slot, fds = (ulong)&descriptor };
        return LibC.io_uring_register(_ring, LibC.IORING_REGISTER_FILES_UPDATE, &update, 1) >= 0;
    }
}
