using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Vireo.Cli.Commands;
using Vireo.Cli.Commands.Images;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;

namespace Vireo.Cli;

/// <summary>The whole command line: what words there are, and what becomes of errors.</summary>
internal static class CommandLine
{
    private const string PrintCapabilities = "--print-capabilities";

    /// <summary>Runs one command.</summary>
    /// <param name="arguments">The words after the program's name.</param>
    /// <param name="context">The process around it.</param>
    /// <returns>One of <see cref="ExitCode"/>, or what a guest's script ended with.</returns>
    public static int Run(IReadOnlyList<string> arguments, CommandContext context)
    {
        // The convention wants every other word ignored, wrong ones too: this cannot be left to the parser.
        if (arguments.Count > 1 && Contains(arguments, PrintCapabilities))
        {
            if (DeviceCatalog.Find(arguments[0]) is { } device)
            {
                device.Capabilities.WriteTo(context.Output);
                return ExitCode.Success;
            }
        }

        RootCommand root = Create(context);
        ParserConfiguration parser = new()
        {
            // A file name may begin with '@'.
            ResponseFileTokenReplacer = null,
            EnablePosixBundling = false,
        };
        ParseResult result = root.Parse(arguments, parser);
        if (result.Action is ParseErrorAction)
        {
            return Refuse(result, arguments, context.Error);
        }

        try
        {
            return result.Invoke(
                new InvocationConfiguration
                {
                    Output = context.Output,
                    Error = context.Error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                }
            );
        }
        catch (Exception exception) when (LogOptions.LevelOf(result) is not "trace")
        {
            return Report(exception, NameOf(result), context.Error);
        }
    }

    /// <summary>Builds the tree of commands.</summary>
    /// <param name="context">Handed to the commands.</param>
    public static RootCommand Create(CommandContext context)
    {
        var root = new RootCommand(
            "Vireo: virtio devices as processes of their own, for QEMU and other virtual machines."
        );
        foreach (DeviceCommand device in DeviceCatalog.All)
        {
            root.Add(device.ToCommand(context));
        }

        root.Add(ImageCommand.Create(context));
        root.Add(SwitchCommand.Create(context));
        root.Add(DemoCommand.Create(context));
        root.Add(InspectCommand.Create(context));
        root.Add(RecordCommand.Create(context));
        root.Add(ReplayCommand.Create(context));
        root.Add(ProxyCommand.Create(context));
        root.Add(VdpaCommand.Create(context));
        root.Add(WhereCommand.Create(context));
        root.Add(DescribeCommand.Create(context));
        root.Add(CompletionCommand.Create(context));
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction action } help)
            {
                help.Action = new TeachingHelpAction(action);
            }
        }

        return root;
    }

    private static bool Contains(IReadOnlyList<string> words, string word)
    {
        for (int index = 0; index < words.Count; index++)
        {
            if (string.Equals(words[index], word, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Says what is wrong with the words themselves.</summary>
    private static int Refuse(ParseResult result, IReadOnlyList<string> arguments, TextWriter error)
    {
        string name = NameOf(result);
        if (arguments.Count == 0)
        {
            error.WriteLine(
                "vireo: say what to serve, for example 'vireo block disk.raw --vhost-user /tmp/disk.sock'; see 'vireo --help'"
            );
            return ExitCode.Usage;
        }

        string message =
            result.UnmatchedTokens.Count > 0
                ? $"there is no such word as '{result.UnmatchedTokens[0]}' here"
                : Sentence.FromParser(result.Errors[0].Message);
        string? suggestion = Spelling.Suggest(result);
        string advice = suggestion is null ? $"see '{name} --help'" : $"did you mean '{suggestion}'?";
        error.WriteLine($"{name}: {message}; {advice}");
        return ExitCode.Usage;
    }

    /// <summary>Says in one sentence what went wrong while a command ran.</summary>
    private static int Report(Exception exception, string name, TextWriter error)
    {
        switch (exception)
        {
            case CommandException { ExitCode: ExitCode.Usage } usage:
                error.WriteLine($"{name}: {usage.Message}; see '{name} --help'");
                return usage.ExitCode;
            case CommandException failure:
                error.WriteLine($"{name}: {failure.Message}");
                return failure.ExitCode;
            case IOException or UnauthorizedAccessException or Core.Contract.DeviceException:
                error.WriteLine($"{name}: {Sentence.FromSystem(exception.Message)}");
                return ExitCode.Failure;
            default:
                error.WriteLine(
                    $"{name}: this is a fault of ours ({exception.GetType().Name}: {Sentence.FromSystem(exception.Message)}); run it again with '--log-level trace' and report what it prints"
                );
                return ExitCode.Failure;
        }
    }

    /// <summary>The command's words as its user would type them: <c>vireo block</c>.</summary>
    private static string NameOf(ParseResult result)
    {
        string name = "";
        for (
            SymbolResult? part = result.CommandResult;
            part is CommandResult { Command: not RootCommand } inner;
            part = part.Parent
        )
        {
            name = $" {inner.Command.Name}{name}";
        }

        return "vireo" + name;
    }
}
