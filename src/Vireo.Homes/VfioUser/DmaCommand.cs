using Vireo.Core.Memory;
using Vireo.Homes.VfioUser.Protocol;

namespace Vireo.Homes.VfioUser;

/// <summary>One DMA_READ or DMA_WRITE: part of a copy.</summary>
/// <param name="command">Which.</param>
/// <param name="address">The first byte, as the device names it.</param>
/// <param name="count">How many bytes.</param>
/// <param name="bytes">Where to or from; null for the mirror.</param>
/// <param name="offset">Where in <paramref name="bytes"/>.</param>
/// <param name="step">What it belongs to; null for a question about the client's form.</param>
internal sealed class DmaCommand(
    Command command,
    ulong address,
    ulong count,
    byte[]? bytes,
    int offset,
    DistantStep? step
)
{
    /// <summary>Which command.</summary>
    public Command Command { get; } = command;

    /// <summary>The first byte, as the device names it.</summary>
    public ulong Address { get; } = address;

    /// <summary>How many bytes.</summary>
    public ulong Count { get; } = count;

    /// <summary>What it belongs to; null for a question about the client's form.</summary>
    public DistantStep? Step { get; } = step;

    /// <summary>Whether the bytes are those of the mirror.</summary>
    public bool IsMirror => bytes is null;

    /// <summary>Where to or from, when that is not the mirror.</summary>
    public Span<byte> Bytes => bytes.AsSpan(offset, (int)Count);
}
