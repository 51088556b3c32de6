using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The two flags of a packed descriptor that say whose it is (VIRTIO 1.4 §2.8.1).</summary>
internal static class PackedFlags
{
    private const ushort Both = DescriptorFlags.PackedAvailable | DescriptorFlags.PackedUsed;

    /// <summary>The flags of a descriptor that the driver makes available.</summary>
    /// <param name="wrap">The driver's wrap counter.</param>
    public static ushort Available(bool wrap) => wrap ? DescriptorFlags.PackedAvailable : DescriptorFlags.PackedUsed;

    /// <summary>The flags of a descriptor that the device has used.</summary>
    /// <param name="wrap">The device's wrap counter.</param>
    public static ushort Used(bool wrap) => wrap ? Both : (ushort)0;

    /// <summary>Whether a descriptor is available to a device that has come to it.</summary>
    /// <param name="flags">Its flags.</param>
    /// <param name="wrap">The driver's wrap counter there, as the device follows it.</param>
    public static bool IsAvailable(ushort flags, bool wrap) => (flags & Both) == Available(wrap);

    /// <summary>Whether a descriptor is used for a driver that has come to it.</summary>
    /// <param name="flags">Its flags.</param>
    /// <param name="wrap">The device's wrap counter there, as the driver follows it.</param>
    public static bool IsUsed(ushort flags, bool wrap) => (flags & Both) == Used(wrap);
}
