using System.Runtime.InteropServices;

namespace Vireo.Core.Transports.Ccw;

/// <summary>How one channel command ended.</summary>
/// <param name="Unit">What the device says.</param>
/// <param name="Channel">What the channel says.</param>
/// <param name="Moved">How many bytes were moved.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CcwOutcome(UnitStatus Unit, ChannelStatus Channel, int Moved)
{
    /// <summary>The command has been executed.</summary>
    public bool IsGood => !Unit.HasFlag(UnitStatus.UnitCheck) && Channel == ChannelStatus.None;

    /// <summary>Done.</summary>
    /// <param name="moved">How many bytes were moved.</param>
    public static CcwOutcome Done(int moved) =>
        new(UnitStatus.ChannelEnd | UnitStatus.DeviceEnd, ChannelStatus.None, moved);

    /// <summary>The data has another length than the program says.</summary>
    /// <param name="moved">How many bytes were moved.</param>
    public static CcwOutcome IncorrectLength(int moved) =>
        new(UnitStatus.ChannelEnd | UnitStatus.DeviceEnd, ChannelStatus.IncorrectLength, moved);

    /// <summary>The data does not lie in memory that may be used so.</summary>
    public static CcwOutcome Protection =>
        new(UnitStatus.ChannelEnd | UnitStatus.DeviceEnd, ChannelStatus.ProtectionCheck, 0);

    /// <summary>The device does not know the command, or not now, or not so.</summary>
    public static CcwOutcome Rejected =>
        new(UnitStatus.ChannelEnd | UnitStatus.DeviceEnd | UnitStatus.UnitCheck, ChannelStatus.None, 0);
}
