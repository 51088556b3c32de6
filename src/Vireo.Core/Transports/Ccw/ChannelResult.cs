using System.Runtime.InteropServices;

namespace Vireo.Core.Transports.Ccw;

/// <summary>How a channel program ended.</summary>
/// <param name="Address">Address behind the last channel command word that was looked at.</param>
/// <param name="Unit">What the device says.</param>
/// <param name="Channel">What the channel says.</param>
/// <param name="Residual">How many bytes of the last command's count were not moved.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ChannelResult(uint Address, UnitStatus Unit, ChannelStatus Channel, ushort Residual)
{
    /// <summary>Whether the whole program was executed and nothing was wrong.</summary>
    public bool IsGood => Unit == (UnitStatus.ChannelEnd | UnitStatus.DeviceEnd) && Channel == ChannelStatus.None;
}
