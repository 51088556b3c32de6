namespace Vireo.Linux.Vduse;

/// <summary>A VDUSE device to be made (<c>struct vduse_dev_config</c>).</summary>
public sealed record VduseDescription
{
    /// <summary>The longest name, in bytes of UTF-8.</summary>
    public const int NameBytesMax = 255;

    /// <summary>The largest configuration space, in bytes: one page.</summary>
    public const int ConfigBytesMax = 4096;

    /// <summary>The name below /dev/vduse, 1 to <see cref="NameBytesMax"/> bytes.</summary>
    public required string Name { get; init; }

    /// <summary>The virtio device id.</summary>
    public required uint DeviceId { get; init; }

    /// <summary>The vendor; 0 where nobody asks.</summary>
    public uint VendorId { get; init; }

    /// <summary>The features on offer, 64 bits; ACCESS_PLATFORM must be among them.</summary>
    public required ulong Features { get; init; }

    /// <summary>How many queues, 1 to 65535.</summary>
    public required int QueueCount { get; init; }

    /// <summary>The configuration space, at most <see cref="ConfigBytesMax"/> bytes.</summary>
    public ReadOnlyMemory<byte> Config { get; init; }
}
