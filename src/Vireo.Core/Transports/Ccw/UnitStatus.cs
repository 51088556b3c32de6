namespace Vireo.Core.Transports.Ccw;

/// <summary>What the device says at the end of a program (the device status of the architecture).</summary>
[Flags]
public enum UnitStatus
{
    /// <summary>The device has not said anything: the channel found the program wrong before.</summary>
    None = 0,

    /// <summary>The device is done with the channel.</summary>
    ChannelEnd = 0x08,

    /// <summary>The device is done.</summary>
    DeviceEnd = 0x04,

    /// <summary>Something is wrong with the command; BASIC SENSE says what.</summary>
    UnitCheck = 0x02,
}
