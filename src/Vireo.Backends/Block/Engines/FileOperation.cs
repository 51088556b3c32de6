namespace Vireo.Backends.Block.Engines;

/// <summary>What an engine can do with a file.</summary>
internal enum FileOperation
{
    /// <summary>Read into segments; the result is the bytes read, perhaps fewer, 0 at the end of the file.</summary>
    Read,

    /// <summary>Write from segments; the result is the bytes written, perhaps fewer.</summary>
    Write,

    /// <summary>Bring what was written to the storage.</summary>
    Sync,

    /// <summary>Free a range of the file, which then reads as zeroes.</summary>
    PunchHole,

    /// <summary>Make a range read as zeroes and keep its room.</summary>
    ZeroRange,

    /// <summary>Tell a block device to forget a range. Blocking engines only.</summary>
    DiscardBlocks,

    /// <summary>Tell a block device to forget a range and every copy of it. Blocking engines only.</summary>
    SecureEraseBlocks,

    /// <summary>Write zeroes, where nothing cheaper works. Blocking engines only.</summary>
    WriteZeroBytes,
}
