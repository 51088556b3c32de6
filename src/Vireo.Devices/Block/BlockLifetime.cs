using System.Runtime.InteropServices;

namespace Vireo.Devices.Block;

/// <summary>How worn a disk is, in the steps of JEDEC's eMMC (VIRTIO 1.4 §5.2.6).</summary>
/// <param name="ReservedBlocks">
/// Reserved blocks that are used up: 1 fewer than 80 %, 2 from 80 % on, 3 from 90 % on; 0 unknown.
/// </param>
/// <param name="WearA">Wear of the SLC cells in steps of 10 %: 1 up to 10 %, 10 up to 100 %, 11 beyond; 0 unknown.</param>
/// <param name="WearB">Wear of the MLC cells, likewise.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BlockLifetime(int ReservedBlocks, int WearA, int WearB)
{
    /// <summary>The largest value of <see cref="ReservedBlocks"/>; those above are reserved.</summary>
    public const int ReservedBlocksMax = 3;

    /// <summary>The largest value of wear; those above are reserved.</summary>
    public const int WearMax = 11;
}
