using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>A kick or a call that is an event descriptor: an eventfd almost always, a pipe from hosts without eventfd.</summary>
/// <remarks>The descriptor stays its owner's, who closes it only when no queue uses the signal.</remarks>
public sealed class EventFdSignal : IDescriptorSignal
{
    /// <summary>Makes a signal of a descriptor.</summary>
    /// <param name="descriptor">The descriptor; stays the caller's.</param>
    public EventFdSignal(EventFd descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        Descriptor = descriptor;
    }

    /// <summary>The descriptor.</summary>
    public EventFd Descriptor { get; }

    /// <inheritdoc/>
    public SafeFileHandle Handle => Descriptor.Handle;

    /// <inheritdoc/>
    public void Notify() => Descriptor.Signal();
}
