namespace Vireo.Backends.Block.Qcow2;

/// <summary>What an L2 entry says of a cluster, or of a part of one.</summary>
internal enum ClusterState
{
    /// <summary>Nothing: it is in the backing image.</summary>
    Unallocated,

    /// <summary>It reads as zeroes.</summary>
    Zero,

    /// <summary>It is in the file.</summary>
    Data,

    /// <summary>It is in the file, compressed.</summary>
    Compressed,

    /// <summary>The entry names a place where it cannot be.</summary>
    Bad,
}
