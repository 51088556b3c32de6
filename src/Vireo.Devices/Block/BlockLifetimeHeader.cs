using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>The answer to a request for the lifetime (<c>struct virtio_blk_lifetime</c>, VIRTIO 1.4 §5.2.6).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct BlockLifetimeHeader
{
    /// <summary>Reserved blocks that are used up.</summary>
    public readonly Le16 PreEolInfo;

    /// <summary>Wear of the SLC cells.</summary>
    public readonly Le16 DeviceLifetimeEstTypA;

    /// <summary>Wear of the MLC cells.</summary>
    public readonly Le16 DeviceLifetimeEstTypB;

    /// <summary>Makes an answer; a value that the specification reserves becomes unknown (§5.2.6.2).</summary>
    public BlockLifetimeHeader(BlockLifetime lifetime)
    {
        PreEolInfo = KnownOrZero(lifetime.ReservedBlocks, BlockLifetime.ReservedBlocksMax);
        DeviceLifetimeEstTypA = KnownOrZero(lifetime.WearA, BlockLifetime.WearMax);
        DeviceLifetimeEstTypB = KnownOrZero(lifetime.WearB, BlockLifetime.WearMax);
    }

    private static ushort KnownOrZero(int value, int max) => value >= 0 && value <= max ? (ushort)value : (ushort)0;
}
