namespace Vireo.Backends.Block.Filters;

/// <summary>What a channel was asked for.</summary>
internal enum ChannelCallKind
{
    /// <summary>Read.</summary>
    Read,

    /// <summary>Write.</summary>
    Write,

    /// <summary>Flush.</summary>
    Flush,

    /// <summary>Discard.</summary>
    Discard,

    /// <summary>Write zeroes.</summary>
    WriteZeroes,

    /// <summary>Secure erase.</summary>
    SecureErase,
}
