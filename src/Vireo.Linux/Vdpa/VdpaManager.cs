namespace Vireo.Linux.Vdpa;

/// <summary>Somebody that makes devices for the vDPA bus: a driver of a card, or the module vduse.</summary>
/// <param name="Name">Its name, with its bus where it is on one: <c>pci/0000:03:00.0</c>, <c>vduse</c>.</param>
/// <param name="DeviceIds">The virtio device ids it makes, one bit for each.</param>
/// <param name="QueuesMax">The most queues a device of it may have; null where it does not say.</param>
/// <param name="Features">The features its devices may have.</param>
public sealed record VdpaManager(string Name, ulong DeviceIds, uint? QueuesMax, ulong? Features);
