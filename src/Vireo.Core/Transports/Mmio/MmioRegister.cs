namespace Vireo.Core.Transports.Mmio;

/// <summary>Offsets of the registers (VIRTIO 1.4 §4.2.2); each is 32 bits wide.</summary>
internal static class MmioRegister
{
    public const int MagicValue = 0x000;
    public const int Version = 0x004;
    public const int DeviceId = 0x008;
    public const int VendorId = 0x00c;
    public const int DeviceFeatures = 0x010;
    public const int DeviceFeaturesSelect = 0x014;
    public const int DriverFeatures = 0x020;
    public const int DriverFeaturesSelect = 0x024;
    public const int QueueSelect = 0x030;
    public const int QueueSizeMax = 0x034;
    public const int QueueSize = 0x038;
    public const int QueueReady = 0x044;
    public const int QueueNotify = 0x050;
    public const int InterruptStatus = 0x060;
    public const int InterruptAcknowledge = 0x064;
    public const int Status = 0x070;
    public const int QueueDescriptorsLow = 0x080;
    public const int QueueDescriptorsHigh = 0x084;
    public const int QueueDriverLow = 0x090;
    public const int QueueDriverHigh = 0x094;
    public const int QueueDeviceLow = 0x0a0;
    public const int QueueDeviceHigh = 0x0a4;
    public const int SharedSelect = 0x0ac;
    public const int SharedLengthLow = 0x0b0;
    public const int SharedLengthHigh = 0x0b4;
    public const int SharedBaseLow = 0x0b8;
    public const int SharedBaseHigh = 0x0bc;
    public const int QueueReset = 0x0c0;
    public const int ConfigGeneration = 0x0fc;

    /// <summary>Where the device's configuration space begins.</summary>
    public const int Config = 0x100;

    /// <summary>What <see cref="MagicValue"/> reads: "virt".</summary>
    public const uint Magic = 0x7472_6976;

    /// <summary>What <see cref="Version"/> reads: not legacy.</summary>
    public const uint ModernVersion = 2;
}
