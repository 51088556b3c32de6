using System.CommandLine;

namespace Vireo.Cli.Help;

/// <summary>A command whose help ends with something to copy and run.</summary>
/// <param name="name">The word on the command line.</param>
/// <param name="summary">What it does, in one sentence.</param>
/// <param name="examples">Lines to copy, each with a line above it that says what it does.</param>
internal sealed class DocumentedCommand(string name, string summary, string examples) : Command(name, summary)
{
    /// <summary>Lines to copy, each with a line above it that says what it does.</summary>
    public string Examples { get; } = examples;
}
