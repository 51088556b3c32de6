namespace Vireo.Core.Spec;

/// <summary>Bits of a descriptor's flags field (VIRTIO 1.4 §2.7.5, §2.8.1).</summary>
public static class DescriptorFlags
{
    /// <summary>The buffer continues with another descriptor.</summary>
    public const ushort Next = 1;

    /// <summary>The device writes the buffer; otherwise it reads it.</summary>
    public const ushort Write = 2;

    /// <summary>The buffer holds a table of descriptors.</summary>
    public const ushort Indirect = 4;

    /// <summary>Packed layout: compared with the driver's wrap counter.</summary>
    public const ushort PackedAvailable = 1 << 7;

    /// <summary>Packed layout: compared with the device's wrap counter.</summary>
    public const ushort PackedUsed = 1 << 15;
}
