namespace Vireo.Cli.Demo;

/// <summary>What becomes of a child's input and output.</summary>
internal enum ChildStreams
{
    /// <summary>Our terminal is its terminal.</summary>
    Terminal,

    /// <summary>No input; output is read by us; errors go where ours go.</summary>
    Read,

    /// <summary>No input; output is read by us; the last errors are kept.</summary>
    Kept,
}
