namespace Vireo.GuestTests.Rig;

/// <summary>What runs before the kernel.</summary>
public enum GuestFirmware
{
    /// <summary>A BIOS with virtio drivers of its own.</summary>
    SeaBios,

    /// <summary>A BIOS that only starts the kernel it is given (microvm).</summary>
    QBoot,

    /// <summary>UEFI with virtio drivers of its own (q35).</summary>
    Ovmf,
}
