using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Drivers;

/// <summary>A kick or a call between a driver and its device: an eventfd.</summary>
internal sealed class DriverSignal : IDescriptorSignal, IDisposable
{
    /// <summary>Makes a signal that is not given.</summary>
    /// <exception cref="Vireo.Linux.LinuxException">The process or the system has too many open files.</exception>
    public DriverSignal() => Event = EventFd.Create();

    /// <summary>The descriptor.</summary>
    public EventFd Event { get; }

    /// <inheritdoc/>
    public SafeFileHandle Handle => Event.Handle;

    /// <inheritdoc/>
    public void Notify() => Event.Signal();

    /// <summary>Closes the descriptor; no device uses it any more.</summary>
    public void Dispose() => Event.Dispose();
}
