namespace Vireo.Core.Transports.Ccw;

/// <summary>The channel commands that a virtio device knows (VIRTIO 1.4 §4.3.1).</summary>
internal enum CcwCommand : byte
{
    /// <summary>Does nothing.</summary>
    NoOperation = 0x03,

    /// <summary>Says what was wrong with the last command.</summary>
    BasicSense = 0x04,

    /// <summary>Goes on with another channel command; not a command of the device.</summary>
    TransferInChannel = 0x08,

    /// <summary>Writes 32 features the driver accepts.</summary>
    WriteFeatures = 0x11,

    /// <summary>Reads 32 features on offer.</summary>
    ReadFeatures = 0x12,

    /// <summary>Says where a queue lies.</summary>
    SetQueue = 0x13,

    /// <summary>Writes the configuration space.</summary>
    WriteConfig = 0x21,

    /// <summary>Reads the configuration space.</summary>
    ReadConfig = 0x22,

    /// <summary>Writes the status.</summary>
    WriteStatus = 0x31,

    /// <summary>Reads the largest size of a queue.</summary>
    ReadQueueConfig = 0x32,

    /// <summary>Resets the device.</summary>
    Reset = 0x33,

    /// <summary>Says where the classic queue indicators are.</summary>
    SetIndicators = 0x43,

    /// <summary>Says where the indicators of configuration changes are.</summary>
    SetConfigIndicators = 0x53,

    /// <summary>Reads the status; from revision 2.</summary>
    ReadStatus = 0x72,

    /// <summary>Says where the two-stage queue indicators are.</summary>
    SetAdapterIndicators = 0x73,

    /// <summary>Chooses the revision.</summary>
    SetRevision = 0x83,

    /// <summary>Says what kind of control unit this is.</summary>
    SenseId = 0xe4,
}
