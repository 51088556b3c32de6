namespace Vireo.GuestTests.Rig;

/// <summary>The machine a guest runs on, which decides how virtio devices reach it.</summary>
public enum GuestMachine
{
    /// <summary>QEMU's q35: virtio over PCI.</summary>
    Q35,

    /// <summary>QEMU's microvm: virtio over MMIO.</summary>
    MicroVm,

    /// <summary>QEMU's s390-ccw-virtio: virtio over channel I/O, and a processor whose numbers begin with their highest byte. It has no userland.</summary>
    S390x,
}
