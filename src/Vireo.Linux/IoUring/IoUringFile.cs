using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.IoUring;

/// <summary>A file that requests of one queue can name. Dispose to detach it; the descriptor stays its owner's.</summary>
/// <remarks>
/// Holds a reference on the descriptor, and stands in the queue's table of files where there is room, so that no request
/// has to look the descriptor up. Requests on their way are not affected by the end of it. Used on the queue's thread.
/// </remarks>
public sealed class IoUringFile : IDisposable
{
    private IoUringQueue? _queue;

    internal IoUringFile(IoUringQueue queue, SafeFileHandle handle, int slot)
    {
        _queue = queue;
        Handle = handle;
        Slot = slot;
        bool isHeld = false;
        handle.DangerousAddRef(ref isHeld);
        using DescriptorLease lease = new(handle);
        Descriptor = lease.Number;
    }

    /// <summary>The descriptor.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Its number, valid for as long as this object holds its reference.</summary>
    internal int Descriptor { get; }

    /// <summary>Place in the queue's table of files, or -1.</summary>
    internal int Slot { get; }

    /// <summary>Detaches the file. The queue itself may be gone already.</summary>
    public void Dispose()
    {
        IoUringQueue? queue = _queue;
        if (queue is null)
        {
            return;
        }

        _queue = null;
        if (queue.TryDetach(this))
        {
            Handle.DangerousRelease();
        }
    }

    /// <summary>Refuses a file of another queue, or one that was detached.</summary>
    internal void ThrowIfNotOf(IoUringQueue queue)
    {
        if (!ReferenceEquals(_queue, queue))
        {
            ThrowForeign();
        }
    }

    [DoesNotReturn]
    private static void ThrowForeign() => throw new ArgumentException("The file is not attached to this queue.");
}
