using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Pci;

/// <summary>How a device appears as a PCI function. The defaults suit every device.</summary>
public sealed record PciFunctionOptions
{
    /// <summary>
    /// The features a PCI transport adds to those of device and rings: VIRTIO 1.4 §2.6.1 (one queue is reset), §2.9 (a kick carries
    /// data), §4.1.5.2 (a kick carries a value of the device's choice), §3.4 (the driver suspends the device).
    /// </summary>
    public static readonly FeatureSet TransportFeatures = FeatureSet.Of(
        CoreFeature.RingReset,
        CoreFeature.NotificationData,
        CoreFeature.NotificationConfigData,
        CoreFeature.Suspend
    );

    /// <summary>The features on offer beside the device's own and VERSION_1: those of rings, platform and transport.</summary>
    public FeatureSet Features { get; init; } =
        TransportFeatures | FeatureSet.Of(CoreFeature.IndirectDescriptors, CoreFeature.EventIndex);

    /// <summary>How many MSI-X vectors there are, 0 for no MSI-X; null for one each queue and one for configuration changes.</summary>
    public int? Vectors { get; init; }

    /// <summary>
    /// Whether somebody else keeps the MSI-X table and its masks, as vfio-user clients do: messages are then sent whatever the
    /// function's own table says.
    /// </summary>
    public bool IsVectorTableElsewhere { get; init; }

    /// <summary>PCI subsystem vendor id; tells the environment, not the device.</summary>
    public ushort SubsystemVendor { get; init; } = PciIds.VirtioVendor;

    /// <summary>PCI subsystem id, from 0x40; null for the same as the device id.</summary>
    public ushort? Subsystem { get; init; }

    /// <summary>
    /// Whether there is an administration virtqueue, for the device itself (the self group of VIRTIO 1.4 §2.12): capabilities, and the
    /// device's state in parts. It is the last queue; commands are done on the thread that routes accesses.
    /// </summary>
    public bool HasAdminQueue { get; init; }

    /// <summary>A vendor data capability (VIRTIO 1.4 §4.1.4.8), or null for none.</summary>
    public PciVendorData? VendorData { get; init; }

    /// <summary>Whether the function may be given memory that is not all mapped (<see cref="Memory.DistantMemory"/>).</summary>
    public bool TakesDistantMemory { get; init; }
}
