namespace Vireo.Linux.Vdpa;

/// <summary>A device on the vDPA bus.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Manager">Who made it.</param>
/// <param name="DeviceId">Its virtio device id.</param>
/// <param name="VendorId">Its vendor.</param>
/// <param name="QueueCount">How many queues it has.</param>
/// <param name="QueueSizeMax">The largest size of its queues, in descriptors.</param>
public sealed record VdpaDevice(
    string Name,
    string Manager,
    uint DeviceId,
    uint VendorId,
    uint QueueCount,
    ushort QueueSizeMax
)
{
    /// <summary>What drives it: <c>virtio_vdpa</c>, <c>vhost_vdpa</c>; null for nothing.</summary>
    public string? Driver { get; init; }

    /// <summary>What the host sees of it through its driver: <c>virtio3</c>, <c>/dev/vhost-vdpa-0</c>; null for nothing.</summary>
    public string? Place { get; init; }
}
