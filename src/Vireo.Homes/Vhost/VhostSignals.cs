using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;

namespace Vireo.Homes.Vhost;

/// <summary>Kicks and calls as vhost devices take them.</summary>
internal static class VhostSignals
{
    /// <summary>The descriptor of a signal.</summary>
    /// <exception cref="DeviceException">It has none.</exception>
    public static SafeFileHandle? DescriptorOf(ISignal? signal, string name, int index) =>
        signal switch
        {
            null => null,
            IDescriptorSignal shared => shared.Handle,
            _ => throw new DeviceException(
                $"the {name} of queue {index} is no event descriptor, so it cannot be handed on to a vhost device"
            ),
        };
}
