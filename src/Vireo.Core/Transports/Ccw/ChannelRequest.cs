using System.Runtime.InteropServices;

namespace Vireo.Core.Transports.Ccw;

/// <summary>What START SUBCHANNEL says of a channel program (the parts of the operation-request block that matter).</summary>
/// <param name="ProgramAddress">Address of the first channel command word: below 2 GiB, a multiple of 8.</param>
/// <param name="IsFormat1">Whether the words are of format 1, with addresses of 31 bits; else of format 0, with 24.</param>
/// <param name="HasLongAddressWords">Whether indirect data address words are of format 2, with 64 bits.</param>
/// <param name="HasSmallBlocks">Whether each format-2 word stands for a block of 2 KiB; else of 4 KiB.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ChannelRequest(
    uint ProgramAddress,
    bool IsFormat1 = true,
    bool HasLongAddressWords = false,
    bool HasSmallBlocks = false
);
