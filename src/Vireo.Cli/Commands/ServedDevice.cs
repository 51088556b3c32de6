using Vireo.Core.Contract;

namespace Vireo.Cli.Commands;

/// <summary>A device that was made for a command line, and what has to be released with it.</summary>
/// <param name="device">The device; becomes this object's.</param>
/// <param name="subject">What it serves, for people: <c>disk.raw</c>; empty when there is nothing to name.</param>
/// <param name="backend">What stands behind the device and is released after it; null for nothing.</param>
internal sealed class ServedDevice(VirtioDevice device, string subject, IDisposable? backend) : IDisposable
{
    /// <summary>The device.</summary>
    public VirtioDevice Device { get; } = device;

    /// <summary>What it serves, for people; empty when there is nothing to name.</summary>
    public string Subject { get; } = subject;

    /// <summary>Looks anew at what is around the device, such as the size of its image; any thread. Null when there is nothing to look at.</summary>
    public Action? Reload { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Device.Dispose();
        backend?.Dispose();
    }
}
