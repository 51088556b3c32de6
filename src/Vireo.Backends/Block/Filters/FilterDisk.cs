using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>A disk in front of another: the same sectors, reached in another way.</summary>
public abstract class FilterDisk : IBlockBackend
{
    private protected FilterDisk(IBlockBackend inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        Inner = inner;
    }

    /// <inheritdoc/>
    public virtual BlockTraits Traits => Inner.Traits;

    /// <inheritdoc/>
    public long CapacitySectors => Inner.CapacitySectors;

    /// <inheritdoc/>
    public Action? CapacityChanged
    {
        get => Inner.CapacityChanged;
        set => Inner.CapacityChanged = value;
    }

    /// <inheritdoc/>
    public BlockLifetime? Lifetime => Inner.Lifetime;

    /// <inheritdoc/>
    /// <remarks>Zones are put in front of all other filters.</remarks>
    public virtual IBlockZones? Zones => null;

    /// <summary>The disk behind this one; stays its owner's.</summary>
    private protected IBlockBackend Inner { get; }

    /// <inheritdoc/>
    public abstract IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions);
}
