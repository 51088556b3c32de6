using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Null;

/// <summary>A disk that keeps nothing: what is written is dropped, what is read is zeroes, or whatever the buffer held.</summary>
/// <remarks>For measuring everything but the disk.</remarks>
public sealed class NullDisk : IBlockBackend
{
    private readonly bool _zeroesReads;

    /// <summary>Makes a disk.</summary>
    /// <param name="capacitySectors">Size in sectors of 512 bytes.</param>
    /// <param name="isReadOnly">Whether the disk refuses writes.</param>
    /// <param name="zeroesReads">
    /// Whether reads fill the buffer with zeroes; false leaves it as it is, which costs nothing and tells the driver only what its own
    /// memory held.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative or above <see cref="BlockDevice.CapacitySectorsMax"/>.</exception>
    public NullDisk(long capacitySectors, bool isReadOnly = false, bool zeroesReads = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacitySectors);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacitySectors, BlockDevice.CapacitySectorsMax);
        CapacitySectors = capacitySectors;
        _zeroesReads = zeroesReads;
        Traits = new()
        {
            IsReadOnly = isReadOnly,
            Discard = new(long.MaxValue, BlockDevice.SectorBytes),
            WriteZeroes = new(long.MaxValue, BlockDevice.SectorBytes),
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
        new NullChannel(completions, _zeroesReads);
}
