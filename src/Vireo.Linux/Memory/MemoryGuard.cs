using Vireo.Linux.Events;

namespace Vireo.Linux.Memory;

/// <summary>Keeps the process alive when memory that it shares with a peer is cut short by the peer.</summary>
/// <remarks>
/// <para>
/// Who shares a file can make it shorter. Touching a page that is gone raises SIGBUS, which ends the process. A guarded range gets a private
/// page of zeros there instead, the access goes on, and the range's alarm is signalled: the owner should then give up on the peer.
/// System calls on such pages fail with EFAULT as ever.
/// </para>
/// <para>
/// The signal is handled by a few instructions in a page of their own, not by managed code, which must not run in the middle of anything.
/// A SIGBUS outside all guarded ranges goes to the runtime's handler, as if nothing were here.
/// </para>
/// </remarks>
public sealed class MemoryGuard : IDisposable
{
    private readonly EventFd _alarm;
    private int _slot;

    private MemoryGuard(int slot, EventFd alarm)
    {
        _slot = slot;
        _alarm = alarm;
        bool isHeld = false;
        alarm.Handle.DangerousAddRef(ref isHeld);
    }

    /// <summary>Whether ranges can be guarded: on processors whose instructions are known here, where code may be made.</summary>
    public static bool IsAvailable => BusErrorHandler.Instance is not null;

    /// <summary>Whether the range was cut.</summary>
    public bool IsCut => _slot >= 0 && BusErrorHandler.Instance!.HitsOf(_slot) > 0;

    /// <summary>Guards a mapping until disposed, which has to be before the mapping is.</summary>
    /// <param name="mapping">The mapping of a file; stays the caller's.</param>
    /// <param name="pageBytes">Size of the file's pages, see <see cref="MemoryFile.PageSizeOf"/>.</param>
    /// <param name="alarm">Signalled at each page that is found missing; stays the caller's.</param>
    /// <exception cref="PlatformNotSupportedException">Nothing can be guarded here.</exception>
    /// <exception cref="InvalidOperationException">More ranges are guarded than there is room for.</exception>
    public static MemoryGuard Protect(MemoryMapping mapping, long pageBytes, EventFd alarm)
    {
        ArgumentNullException.ThrowIfNull(mapping);
        ArgumentNullException.ThrowIfNull(alarm);
        BusErrorHandler handler =
            BusErrorHandler.Instance
            ?? throw new PlatformNotSupportedException("memory cannot be guarded on this processor");
        using DescriptorLease lease = new(alarm.Handle);
        nint first = mapping.Address / (nint)pageBytes * (nint)pageBytes;
        nint end = (mapping.Address + (nint)mapping.Length + (nint)pageBytes - 1) / (nint)pageBytes * (nint)pageBytes;
        return new MemoryGuard(handler.Add(first, end, pageBytes, lease.Number), alarm);
    }

    /// <summary>Guards the range no more.</summary>
    public void Dispose()
    {
        if (_slot < 0)
        {
            return;
        }

        BusErrorHandler.Instance!.Remove(_slot);
        _slot = -1;
        _alarm.Handle.DangerousRelease();
    }
}
