using Vireo.Homes.Loops;
using Vireo.Linux.Events;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>How one queue of a VDUSE device and the kernel tell each other that something happened.</summary>
internal sealed class VduseQueueEnds : IDisposable
{
    private readonly EventFd _kick = EventFd.Create();

    /// <summary>Makes both for a queue.</summary>
    /// <param name="door">The device; stays the caller's.</param>
    /// <param name="index">Which queue.</param>
    /// <param name="control">The home's loop.</param>
    public VduseQueueEnds(IVduseDevice door, int index, EventLoop control)
    {
        Kick = new(_kick);
        Call = new(door, index, control);
    }

    /// <summary>Announces available buffers.</summary>
    public EventFdSignal Kick { get; }

    /// <summary>Announces used buffers.</summary>
    public VduseCall Call { get; }

    /// <summary>Closes the kick. The queue does not run.</summary>
    public void Dispose()
    {
        Call.Dispose();
        _kick.Dispose();
    }
}
