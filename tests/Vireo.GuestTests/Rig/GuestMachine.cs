namespace Vireo.GuestTests.Rig;

/// <summary>The machine a guest runs on, which decides how virtio devices reach it.</summary>
public enum GuestMachine
{
    /// <summary>QEMU's q35: virtio over PCI.</summary>
    Q35,

    /// <summary>QEMU's microvm: virtio over MMIO.</summary>
    MicroVm,
}
