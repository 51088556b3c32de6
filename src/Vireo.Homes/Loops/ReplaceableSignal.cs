using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>A signal whose descriptor a peer may replace while a queue uses it.</summary>
internal sealed class ReplaceableSignal : IDescriptorSignal, IDisposable
{
    private EventFd? _target;

    /// <summary>See <see cref="Otherwise"/>.</summary>
    private volatile Action? _otherwise;

    /// <summary>Stands in for a descriptor where there is none; made when somebody asks for it.</summary>
    private EventFd? _nobody;

    /// <inheritdoc/>
    // Acquire: as in Notify.
    public SafeFileHandle Handle => (Volatile.Read(ref _target) ?? (_nobody ??= EventFd.Create())).Handle;

    /// <summary>What is done in place of a signal while there is no descriptor; null for nothing. Any thread may run it.</summary>
    public Action? Otherwise
    {
        get => _otherwise;
        set => _otherwise = value;
    }

    /// <inheritdoc/>
    public void Notify()
    {
        // Acquire: the descriptor's wrapper was made before it was published here.
        EventFd? target = Volatile.Read(ref _target);
        if (target is null)
        {
            _otherwise?.Invoke();
            return;
        }

        while (target is not null && !TrySignal(target))
        {
            // Acquire: as above. It was replaced, and closed, under our hands: the call goes to its successor.
            EventFd? successor = Volatile.Read(ref _target);
            target = ReferenceEquals(successor, target) ? null : successor;
        }
    }

    /// <summary>Takes another descriptor, and signals it: the last call may have gone to its predecessor unseen.</summary>
    /// <param name="target">The descriptor, which becomes this object's; null for no calls.</param>
    public void Replace(EventFd? target)
    {
        // Full: whoever calls from now on sees the new descriptor; the old one may be closed.
        Interlocked.Exchange(ref _target, target)?.Dispose();
        target?.Signal();
    }

    /// <summary>Closes the descriptor; nobody is called any more.</summary>
    public void Dispose()
    {
        _otherwise = null;
        Replace(null);
        _nobody?.Dispose();
    }

    private static bool TrySignal(EventFd target)
    {
        try
        {
            // A peer that has closed its end does not want to know.
            target.Signal();
            return true;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }
}
