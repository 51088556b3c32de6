namespace Vireo.Core.Transports.Mmio;

/// <summary>A way for a driver to reach memory-mapped registers.</summary>
/// <remarks>An access of 1, 2 or 4 bytes is made as one.</remarks>
public interface IMmioAccess
{
    /// <summary>Reads.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    void Read(ulong offset, Span<byte> destination);

    /// <summary>Writes.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    void Write(ulong offset, ReadOnlySpan<byte> source);
}
