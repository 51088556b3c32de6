namespace Vireo.Cli;

/// <summary>How a command ends; part of the command line's promise (docs/cli.md).</summary>
internal static class ExitCode
{
    /// <summary>It did what was asked, or was asked to stop and stopped cleanly.</summary>
    public const int Success = 0;

    /// <summary>It could not do it; standard error says why in one sentence.</summary>
    public const int Failure = 1;

    /// <summary>The command line itself is wrong; nothing was touched.</summary>
    public const int Usage = 2;
}
