namespace Vireo.Core.Transports.Pci;

/// <summary>A way for a driver to reach a PCI function: in this process, over vfio-user, or through VFIO.</summary>
/// <remarks>An access of 1, 2, 4 or 8 bytes is made as one.</remarks>
public interface IPciAccess
{
    /// <summary>Reads the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    void ReadConfig(ulong offset, Span<byte> destination);

    /// <summary>Writes the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    void WriteConfig(ulong offset, ReadOnlySpan<byte> source);

    /// <summary>Reads the range of a base address register.</summary>
    /// <param name="bar">Which, 0 to 5.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    void ReadBar(int bar, ulong offset, Span<byte> destination);

    /// <summary>Writes the range of a base address register.</summary>
    /// <param name="bar">Which, 0 to 5.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source);
}
