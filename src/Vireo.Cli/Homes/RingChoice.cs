namespace Vireo.Cli.Homes;

/// <summary>Which ring layouts a driver may choose from.</summary>
internal enum RingChoice
{
    /// <summary>Packed and split ones.</summary>
    Packed,

    /// <summary>Split ones only.</summary>
    Split,
}
