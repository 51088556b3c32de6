using Vireo.Devices.Block;
using Vireo.Linux.Memory;

namespace Vireo.Backends.Block.Memory;

/// <summary>A disk in this process' memory, empty at first, gone at the end.</summary>
/// <remarks>
/// Takes memory only for pages that were written; discarded pages are given back. Requests are answered during the call, so that a
/// copy of their length is all they cost. Several queues may work at once: where they write the same sector, either wins.
/// </remarks>
public sealed class MemoryDisk : IBlockBackend, IDisposable
{
    /// <summary>The longest range cleared in one step: clearing 64 MiB takes a loop a few milliseconds.</summary>
    private const long RangeBytesMax = 64 << 20;

    private readonly MemoryMapping _mapping;

    /// <summary>Makes a disk of zeroes.</summary>
    /// <param name="capacitySectors">Size in sectors of 512 bytes, at least 1.</param>
    /// <param name="isReadOnly">Whether the disk refuses writes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is out of range.</exception>
    /// <exception cref="Linux.LinuxException">There is not as much address space.</exception>
    public MemoryDisk(long capacitySectors, bool isReadOnly = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacitySectors);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacitySectors, BlockDevice.CapacitySectorsMax);
        CapacitySectors = capacitySectors;
        _mapping = MemoryMapping.MapAnonymous(
            (nuint)capacitySectors * BlockDevice.SectorBytes,
            options: MappingOptions.NoReserve
        );
        Traits = new()
        {
            IsReadOnly = isReadOnly,
            Discard = new(RangeBytesMax, Environment.SystemPageSize),
            WriteZeroes = new(RangeBytesMax, BlockDevice.SectorBytes),
            WriteZeroesMayUnmap = true,
            SecureErase = new(RangeBytesMax, BlockDevice.SectorBytes),
        };
    }

    /// <inheritdoc/>
    public BlockTraits Traits { get; }

    /// <inheritdoc/>
    public long CapacitySectors { get; }

    /// <inheritdoc/>
    public Action? CapacityChanged { get; set; }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime => null;

    /// <inheritdoc/>
    public IBlockZones? Zones => null;

    /// <inheritdoc/>
    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions) =>
        new MemoryChannel(_mapping, completions);

    /// <summary>Frees the memory. No channel may be open.</summary>
    public void Dispose() => _mapping.Dispose();
}
