namespace Vireo.Core.Spec;

/// <summary>The device types that VIRTIO 1.4 specifies in full; the value is the virtio device id (VIRTIO 1.4 §5).</summary>
public enum DeviceType
{
    /// <summary>Not a device: the placeholder of an empty MMIO slot.</summary>
    None = 0,

    /// <summary>Network card (§5.1).</summary>
    Net = 1,

    /// <summary>Block device (§5.2).</summary>
    Block = 2,

    /// <summary>Console (§5.3).</summary>
    Console = 3,

    /// <summary>Entropy source (§5.4).</summary>
    Entropy = 4,

    /// <summary>Traditional memory balloon (§5.5).</summary>
    Balloon = 5,

    /// <summary>SCSI host (§5.6).</summary>
    Scsi = 8,

    /// <summary>Graphics adapter (§5.7).</summary>
    Gpu = 16,

    /// <summary>Real-time clock.</summary>
    Rtc = 17,

    /// <summary>Input device (§5.8).</summary>
    Input = 18,

    /// <summary>Socket device, vsock (§5.10).</summary>
    Vsock = 19,

    /// <summary>Cryptographic device (§5.9).</summary>
    Crypto = 20,

    /// <summary>IOMMU (§5.13).</summary>
    Iommu = 23,

    /// <summary>Memory device, virtio-mem (§5.15).</summary>
    Mem = 24,

    /// <summary>Sound device (§5.14).</summary>
    Sound = 25,

    /// <summary>File system device (§5.11).</summary>
    Fs = 26,

    /// <summary>Persistent memory (§5.19).</summary>
    Pmem = 27,

    /// <summary>Replay protected memory block (§5.12).</summary>
    Rpmb = 28,

    /// <summary>System control and management interface (§5.17).</summary>
    Scmi = 32,

    /// <summary>I2C adapter (§5.16).</summary>
    I2c = 34,

    /// <summary>CAN controller.</summary>
    Can = 36,

    /// <summary>GPIO controller (§5.18).</summary>
    Gpio = 41,

    /// <summary>SPI controller.</summary>
    Spi = 45,

    /// <summary>Media device (V4L2).</summary>
    Media = 48,
}
