using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>What the home offers for a device: only what works and is tested.</summary>
internal static class Offers
{
    /// <summary>The virtio features beside the device's own.</summary>
    public static FeatureSet Virtio(VirtioDevice device) =>
        FeatureSet.Of(
            CoreFeature.IndirectDescriptors,
            CoreFeature.EventIndex,
            CoreFeature.Version1,
            CoreFeature.AccessPlatform,
            CoreFeature.RingPacked,
            CoreFeature.InOrder,
            CoreFeature.OrderPlatform
        );

    /// <summary>The protocol features.</summary>
    public static ulong Protocol(VirtioDevice device)
    {
        FeatureSet features = FeatureSet
            .Of(
                ProtocolFeature.MultipleQueues,
                ProtocolFeature.LogDescriptor,
                ProtocolFeature.ReplyAck,
                ProtocolFeature.BackEndRequests,
                ProtocolFeature.CrossEndian,
                ProtocolFeature.BackEndSendDescriptors,
                ProtocolFeature.InflightDescriptor,
                ProtocolFeature.ResetDevice,
                ProtocolFeature.InBandNotifications,
                ProtocolFeature.ConfigureMemorySlots,
                ProtocolFeature.Status,
                ProtocolFeature.GetRingBaseInflight,
                ProtocolFeature.GuestAddresses,
                ProtocolFeature.GetRingBaseSkipDrain
            )
            .WithIf(ProtocolFeature.PageFault, Userfault.IsAvailable)
            .WithIf(ProtocolFeature.Config, device.ConfigLengthBytes > 0)
            .WithIf(ProtocolFeature.Rarp, device is IAnnouncingDevice)
            .WithIf(ProtocolFeature.Mtu, device is IMtuDevice)
            .WithIf(ProtocolFeature.CryptoSession, device is ICryptoSessionDevice)
            .WithIf(ProtocolFeature.DeviceState, device is IStatefulDevice)
            .WithIf(ProtocolFeature.SharedObject, device is ISharedObjectDevice)
            .WithIf(ProtocolFeature.SharedMemory, device.SharedRegions.Count > 0);
        return features.Low;
    }
}
