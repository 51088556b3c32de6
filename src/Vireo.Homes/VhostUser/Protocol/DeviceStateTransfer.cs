using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>How the device's state is to be transferred.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DeviceStateTransfer
{
    /// <summary>Value of <see cref="Direction"/>: from the back-end to the front-end.</summary>
    public const uint Save = 0;

    /// <summary>Value of <see cref="Direction"/>: from the front-end to the back-end.</summary>
    public const uint Load = 1;

    /// <summary>Value of <see cref="Phase"/>: the driver is stopped. There is no other.</summary>
    public const uint Stopped = 0;

    /// <summary>See <see cref="Save"/> and <see cref="Load"/>.</summary>
    public uint Direction;

    /// <summary>See <see cref="Stopped"/>.</summary>
    public uint Phase;
}
