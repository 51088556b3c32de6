namespace Vireo.Cli;

/// <summary>A command cannot go on; the message is one sentence that says what is wrong and what to do.</summary>
internal sealed class CommandException : Exception
{
    /// <summary>Says what is wrong.</summary>
    /// <param name="message">One sentence, without a full stop.</param>
    /// <param name="exitCode">How the process ends: one of <see cref="Cli.ExitCode"/>.</param>
    public CommandException(string message, int exitCode = Cli.ExitCode.Failure)
        : base(message) => ExitCode = exitCode;

    /// <summary>How the process ends.</summary>
    public int ExitCode { get; }
}
