namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The regions of a PCI function; those below <see cref="Rom"/> are its base address registers.</summary>
internal static class RegionIndex
{
    /// <summary>The expansion ROM.</summary>
    public const uint Rom = 6;

    /// <summary>The configuration space.</summary>
    public const uint Config = 7;

    /// <summary>How many regions there are; the last is that of legacy VGA.</summary>
    public const uint Count = 9;
}
