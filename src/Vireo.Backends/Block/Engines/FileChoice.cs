namespace Vireo.Backends.Block.Engines;

/// <summary>Which of the descriptors of one file a request uses.</summary>
internal enum FileChoice
{
    /// <summary>The one opened as the operator wished.</summary>
    Main,

    /// <summary>One that goes through the page cache, for requests that O_DIRECT would refuse. The same as Main without O_DIRECT.</summary>
    Cached,
}
