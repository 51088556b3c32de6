namespace Vireo.GuestTests.Rig;

/// <summary>Where the device under test lives.</summary>
public enum GuestHome
{
    /// <summary>Behind QEMU's vhost-user front-end of its type.</summary>
    VhostUser,

    /// <summary>In a PCI function of its own, behind QEMU's vfio-user-pci.</summary>
    VfioUser,
}
