namespace Vireo.Cli;

/// <summary>What a command may take from the process around it; tests put their own in its place.</summary>
/// <param name="Output">Results, and nothing else: the line that says ready, JSON, help that was asked for.</param>
/// <param name="Error">Everything for people: errors, log lines, progress.</param>
/// <param name="Environment">Reads an environment variable; null when it is not set.</param>
internal sealed record CommandContext(TextWriter Output, TextWriter Error, Func<string, string?> Environment)
{
    /// <summary>The real one.</summary>
    public static CommandContext ForProcess() =>
        new(Console.Out, Console.Error, System.Environment.GetEnvironmentVariable);
}
