using Vireo.Linux.Vdpa;

namespace Vireo.Cli.Commands;

/// <summary>A device on the vDPA bus as <c>vireo vdpa show --json</c> prints it; the names are those of the tool vdpa.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Mgmtdev">Who made it.</param>
/// <param name="TypeId">Its virtio device id.</param>
/// <param name="VendorId">Its vendor.</param>
/// <param name="MaxVqs">How many queues it has.</param>
/// <param name="MaxVqSize">Their largest size.</param>
/// <param name="Driver">What drives it; null for nothing.</param>
/// <param name="Place">Where the host sees it; null for nowhere.</param>
internal sealed record VdpaDeviceJson(
    string Name,
    string Mgmtdev,
    uint TypeId,
    uint VendorId,
    uint MaxVqs,
    uint MaxVqSize,
    string? Driver,
    string? Place
)
{
    /// <summary>The form to print.</summary>
    public static VdpaDeviceJson From(VdpaDevice device) =>
        new(
            device.Name,
            device.Manager,
            device.DeviceId,
            device.VendorId,
            device.QueueCount,
            device.QueueSizeMax,
            device.Driver,
            device.Place
        );
}
