using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;

namespace Vireo.Homes.Vhost;

/// <summary>Kicks as devices in the kernel and in other processes take them; calls are the affair of <see cref="Loops.CallBridge"/>.</summary>
internal static class VhostSignals
{
    /// <summary>The descriptor of a kick.</summary>
    /// <exception cref="DeviceException">It has none.</exception>
    public static SafeFileHandle? DescriptorOf(ISignal? kick, int index) =>
        kick switch
        {
            null => null,
            IDescriptorSignal shared => shared.Handle,
            _ => throw new DeviceException(
                $"the kick of queue {index} is no event descriptor, so it cannot be handed on to another process or the kernel"
            ),
        };
}
