using System.CommandLine;
using Vireo.Cli.Help;
using Vireo.Cli.Record;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo replay</c>: plays a recorded front-end to a back-end.</summary>
internal static class ReplayCommand
{
    private const string Examples = """
          See whether a back-end still does what it did in a recording:
            vireo replay disk.vhost /tmp/disk.sock
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        var file = new Argument<string>("FILE") { Description = "A recording." };
        var socket = new Argument<string>("SOCKET") { Description = "The socket that the back-end listens on." };
        var command = new DocumentedCommand(
            "replay",
            "Play the front-end's part of a recording to a vhost-user back-end, and compare its answers.",
            Examples
        )
        {
            file,
            socket,
        };
        command.SetAction(result =>
            Replay(result.GetRequiredValue(file), result.GetRequiredValue(socket), context.Output)
        );
        return command;
    }

    private static int Replay(string file, string socket, TextWriter output)
    {
        List<RecordedMessage> messages = RecordingReader.Read(file);
        SortedSet<int> sessions = [];
        foreach (RecordedMessage message in messages)
        {
            sessions.Add(message.Session);
        }

        int exitCode = ExitCode.Success;
        foreach (int session in sessions)
        {
            ReplayOutcome outcome = Replayer.Play(messages.FindAll(message => message.Session == session), socket);
            output.WriteLine(
                $"session {session}: {outcome.SentCount} messages played, {outcome.Differences.Count} answered otherwise"
            );
            foreach (string difference in outcome.Differences)
            {
                output.WriteLine($"  {difference}");
            }

            if (outcome.Differences.Count > 0)
            {
                exitCode = ExitCode.Failure;
            }

            if (outcome.Failure is { } failure)
            {
                throw new CommandException($"session {session}: {failure}");
            }
        }

        return exitCode;
    }
}
