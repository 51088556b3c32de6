namespace Vireo.Core.Transports.Ccw;

/// <summary>What the channel says at the end of a program (the subchannel status of the architecture).</summary>
[Flags]
public enum ChannelStatus
{
    /// <summary>Nothing is wrong.</summary>
    None = 0,

    /// <summary>The data a command moves has another length than the program says.</summary>
    IncorrectLength = 0x40,

    /// <summary>The program is not one.</summary>
    ProgramCheck = 0x20,

    /// <summary>Data lies where it may not be read or written.</summary>
    ProtectionCheck = 0x10,
}
