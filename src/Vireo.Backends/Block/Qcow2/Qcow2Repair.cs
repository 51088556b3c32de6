namespace Vireo.Backends.Block.Qcow2;

/// <summary>What a check may repair.</summary>
public enum Qcow2Repair
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Clusters that count as used more often than they are.</summary>
    Leaks,

    /// <summary>All that can be.</summary>
    All,
}
