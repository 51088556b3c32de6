namespace Vireo.Backends.Block.Nbd;

/// <summary>What a server says of an export; the values are the protocol's.</summary>
[Flags]
internal enum NbdExportFlags : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The other flags mean something.</summary>
    HasFlags = 1,

    /// <summary>Writes fail.</summary>
    ReadOnly = 2,

    /// <summary>There is a flush.</summary>
    Flush = 4,

    /// <summary>A write can be asked to be stable.</summary>
    Fua = 8,

    /// <summary>There is a trim.</summary>
    Trim = 32,

    /// <summary>There is a write of zeroes.</summary>
    WriteZeroes = 64,

    /// <summary>A flush on one connection is one for all.</summary>
    MultipleConnections = 256,
}
