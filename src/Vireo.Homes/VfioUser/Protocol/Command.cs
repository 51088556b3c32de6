namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The commands of the protocol.</summary>
internal enum Command : ushort
{
    /// <summary>Proposes a version and capabilities; the first message of a client.</summary>
    Version = 1,

    /// <summary>Makes memory known that the device may reach.</summary>
    DmaMap = 2,

    /// <summary>Takes memory away.</summary>
    DmaUnmap = 3,

    /// <summary>Asks how many regions and interrupt types there are.</summary>
    DeviceGetInfo = 4,

    /// <summary>Asks for a region's size.</summary>
    DeviceGetRegionInfo = 5,

    /// <summary>Asks for descriptors that stand for writes to a region.</summary>
    DeviceGetRegionIoFds = 6,

    /// <summary>Asks for an interrupt type.</summary>
    DeviceGetIrqInfo = 7,

    /// <summary>Says how interrupts are announced.</summary>
    DeviceSetIrqs = 8,

    /// <summary>Reads a region.</summary>
    RegionRead = 9,

    /// <summary>Writes a region.</summary>
    RegionWrite = 10,

    /// <summary>Server to client: reads memory.</summary>
    DmaRead = 11,

    /// <summary>Server to client: writes memory.</summary>
    DmaWrite = 12,

    /// <summary>Resets the device.</summary>
    DeviceReset = 13,

    /// <summary>Writes several registers with one message.</summary>
    RegionWriteMulti = 15,

    /// <summary>Asks for, or sets, what belongs to a feature: migration.</summary>
    DeviceFeature = 16,

    /// <summary>Reads the state of a stopped device.</summary>
    MigrationDataRead = 17,

    /// <summary>Writes the state of a stopped device.</summary>
    MigrationDataWrite = 18,
}
