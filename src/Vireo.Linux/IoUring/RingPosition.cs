namespace Vireo.Linux.IoUring;

/// <summary>Positions in the kernel's rings count up for ever, in 32 bits.</summary>
/// <remarks>The one place here where arithmetic wraps on purpose.</remarks>
internal static class RingPosition
{
    /// <summary>The position a number of entries further.</summary>
    internal static uint Advance(uint position, uint entries) => unchecked(position + entries);

    /// <summary>Entries from one position to a later one.</summary>
    internal static uint Distance(uint from, uint to) => unchecked(to - from);
}
