namespace Vireo.Backends.Block.Zoned;

/// <summary>What a request of a zoned channel does at present.</summary>
internal enum ZonedStep
{
    /// <summary>The disk behind reads, writes, or flushes.</summary>
    Transfer,

    /// <summary>The disk behind forgets what a zone held.</summary>
    Forget,

    /// <summary>The state of the zones is brought to stable storage.</summary>
    Synchronize,
}
