namespace Vireo.Backends.Block.Nbd;

/// <summary>What a client asks for; the values are the protocol's.</summary>
internal enum NbdCommand : ushort
{
    /// <summary>Read.</summary>
    Read = 0,

    /// <summary>Write.</summary>
    Write = 1,

    /// <summary>Good-bye.</summary>
    Disconnect = 2,

    /// <summary>Make everything stable.</summary>
    Flush = 3,

    /// <summary>Forget a range.</summary>
    Trim = 4,

    /// <summary>Make a range read as zeroes.</summary>
    WriteZeroes = 6,

    /// <summary>Tell what a range holds.</summary>
    BlockStatus = 7,
}
