namespace Vireo.Core.Spec;

/// <summary>The device status field (VIRTIO 1.4 §2.1).</summary>
[Flags]
public enum DeviceStatus
{
    /// <summary>The device is reset.</summary>
    None = 0,

    /// <summary>The guest has found the device.</summary>
    Acknowledge = 1,

    /// <summary>The guest knows how to drive the device.</summary>
    Driver = 2,

    /// <summary>The driver is ready; queues run.</summary>
    DriverOk = 4,

    /// <summary>Features are negotiated.</summary>
    FeaturesOk = 8,

    /// <summary>The driver has suspended the device.</summary>
    Suspend = 16,

    /// <summary>The device met an error that only a reset mends.</summary>
    NeedsReset = 64,

    /// <summary>The driver has given up on the device.</summary>
    Failed = 128,
}
