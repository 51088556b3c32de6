using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Pci;

/// <summary>The PCI ids and class codes of virtio devices (VIRTIO 1.4 §4.1.2).</summary>
public static class PciIds
{
    /// <summary>The vendor id of all virtio devices.</summary>
    public const ushort VirtioVendor = 0x1af4;

    /// <summary>Device id less virtio device type.</summary>
    public const ushort DeviceBase = 0x1040;

    /// <summary>The revision that says a device is not transitional.</summary>
    public const byte Revision = 1;

    /// <summary>The device type behind a PCI device id, transitional ones (VIRTIO 1.4 §4.1.2) included.</summary>
    /// <returns>The type; 0 when it is no virtio device's id.</returns>
    public static uint TypeOf(ushort device) =>
        device switch
        {
            0x1000 => (uint)DeviceType.Net,
            0x1001 => (uint)DeviceType.Block,
            0x1002 => (uint)DeviceType.Balloon,
            0x1003 => (uint)DeviceType.Console,
            0x1004 => (uint)DeviceType.Scsi,
            0x1005 => (uint)DeviceType.Entropy,
            0x1009 => 9,
            > DeviceBase and <= DeviceBase + 0x3f => (uint)(device - DeviceBase),
            _ => 0,
        };

    /// <summary>The PCI device id of a device type.</summary>
    public static ushort DeviceOf(DeviceType type) => (ushort)(DeviceBase + (int)type);

    /// <summary>The class, subclass and interface of a device type, as 0xCCSSII; 0xff0000 for those PCI has no class for.</summary>
    public static uint ClassOf(DeviceType type) =>
        type switch
        {
            DeviceType.Net => 0x02_00_00,
            DeviceType.Block or DeviceType.Scsi => 0x01_00_00,
            DeviceType.Fs => 0x01_80_00,
            DeviceType.Console or DeviceType.Vsock => 0x07_80_00,
            DeviceType.Gpu => 0x03_80_00,
            DeviceType.Input => 0x09_80_00,
            DeviceType.Sound => 0x04_01_00,
            DeviceType.Crypto => 0x10_80_00,
            DeviceType.Pmem => 0x05_80_00,
            DeviceType.I2c => 0x0c_80_00,
            DeviceType.Rtc => 0x08_03_00,
            DeviceType.Can => 0x0c_09_00,
            _ => 0xff_00_00,
        };
}
