namespace Vireo.Core.Admin;

/// <summary>The parts of which the state of a device consists, in the order in which they are given and taken (VIRTIO 1.4 §2.11, §2.12.1.4.5).</summary>
internal enum DevicePartType : ushort
{
    /// <summary>The features on offer; compared, never set.</summary>
    DeviceFeatures = 0x100,

    /// <summary>The features that the driver accepted.</summary>
    DriverFeatures = 0x101,

    /// <summary>One field of the common configuration; compared, never set.</summary>
    CommonConfig = 0x102,

    /// <summary>The status.</summary>
    Status = 0x103,

    /// <summary>The registers of a queue.</summary>
    QueueConfig = 0x104,

    /// <summary>How a queue is kicked; compared, never set.</summary>
    QueueNotify = 0x105,
}
