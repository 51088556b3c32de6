namespace Vireo.Devices.Block;

/// <summary>What a request asks for (VIRTIO 1.4 §5.2.6).</summary>
internal enum BlockRequestType : uint
{
    /// <summary>Read sectors.</summary>
    In = 0,

    /// <summary>Write sectors.</summary>
    Out = 1,

    /// <summary>Make completed writes stable.</summary>
    Flush = 4,

    /// <summary>Tell the identification.</summary>
    GetId = 8,

    /// <summary>Tell how worn the storage is.</summary>
    GetLifetime = 10,

    /// <summary>Forget ranges.</summary>
    Discard = 11,

    /// <summary>Make ranges read as zeroes.</summary>
    WriteZeroes = 13,

    /// <summary>Forget ranges and every copy of them.</summary>
    SecureErase = 14,

    /// <summary>Write at the write pointer of a zone.</summary>
    ZoneAppend = 15,

    /// <summary>Tell of zones.</summary>
    ZoneReport = 16,

    /// <summary>Open a zone.</summary>
    ZoneOpen = 18,

    /// <summary>Close a zone.</summary>
    ZoneClose = 20,

    /// <summary>Make a zone full.</summary>
    ZoneFinish = 22,

    /// <summary>Make a zone empty.</summary>
    ZoneReset = 24,

    /// <summary>Make all zones empty.</summary>
    ZoneResetAll = 26,
}
