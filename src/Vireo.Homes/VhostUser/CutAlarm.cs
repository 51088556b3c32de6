using Microsoft.Win32.SafeHandles;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>Hears of it when the front-end makes a file shorter whose memory it shares, and keeps this process alive until then.</summary>
/// <remarks>
/// Guest memory, logs and records of requests in flight are files of the front-end's: whatever it promised, it can cut them. Where pages
/// that are gone cannot be guarded (<see cref="MemoryGuard.IsAvailable"/>), only memory files are taken that are sealed against that, or let
/// themselves be.
/// </remarks>
internal sealed class CutAlarm : ILoopWatcher, IDisposable
{
    private readonly EventFd _alarm = EventFd.Create();
    private readonly LoopWatch _watch;
    private readonly Action _onCut;

    /// <summary>Begins to listen.</summary>
    /// <param name="control">The home's loop.</param>
    /// <param name="onCut">Run on that loop when a page was found gone.</param>
    public CutAlarm(EventLoop control, Action onCut)
    {
        _onCut = onCut;
        _watch = control.Watch(_alarm.Handle, LoopEvents.Readable, this);
    }

    /// <summary>Takes care of a mapping.</summary>
    /// <param name="file">The file that is mapped; stays the caller's.</param>
    /// <param name="mapping">Its mapping; becomes the result's, and is disposed if this fails.</param>
    /// <exception cref="RefusalException">The file can be cut, and nothing can be done about it here.</exception>
    public GuardedMapping Guard(SafeFileHandle file, MemoryMapping mapping)
    {
        try
        {
            if (MemoryGuard.IsAvailable)
            {
                return new(mapping, MemoryGuard.Protect(mapping, MemoryFile.PageSizeOf(file), _alarm));
            }

            // Fails for what is no memory file, and for one that was closed to seals without this one.
            MemoryFile.Seal(file, MemorySeals.Shrink);
            return new(mapping, null);
        }
        catch (LinuxException exception)
        {
            mapping.Dispose();
            throw new RefusalException(
                $"the file can be made shorter under this process, which only a sealed memory file cannot: {exception.Message}",
                exception
            );
        }
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        _alarm.TryDrain();
        _onCut();
    }

    /// <summary>Listens no more. All guarded mappings are gone.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _alarm.Dispose();
    }
}
