using Vireo.Cli;
using Vireo.Cli.Record;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Files;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli.Record;

/// <summary><c>vireo record</c> and <c>vireo replay</c> with a back-end of ours.</summary>
public sealed class RecordCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string FrontPath => _folder["front.sock"];

    private string BackPath => _folder["back.sock"];

    private string RecordingPath => _folder["disk.vhost"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Conversation_IsPassedOnAndWrittenDown()
    {
        using VireoProcess vireo = StartDisk();

        Record(() => Converse(FrontPath));

        List<RecordedMessage> messages = RecordingReader.Read(RecordingPath);
        Assert.All(messages, message => Assert.Equal(1, message.Session));
        string[] asked =
        [
            .. messages
                .Where(message => message.Direction == MessageDirection.FrontEnd)
                .Select(message => message.Name),
        ];
        Assert.Equal("SET_OWNER", asked[0]);
        Assert.Contains("GET_CONFIG", asked, StringComparer.Ordinal);
        Assert.Contains(messages, message => message is { Direction: MessageDirection.BackEnd, Name: "GET_FEATURES" });
        RecordedMessage socket = Assert.Single(
            messages,
            message => message.Name is "SET_BACKEND_REQ_FD" && message.Direction == MessageDirection.FrontEnd
        );
        Assert.Equal(DescriptorKind.Socket, Assert.Single(socket.Descriptors).Kind);
    }

    [Fact]
    public void OneFrontEndAfterAnother_IsASessionEach()
    {
        using VireoProcess vireo = StartDisk();

        Record(() =>
        {
            Converse(FrontPath);
            Converse(FrontPath);
        });

        Assert.Equal([1, 2], RecordingReader.Read(RecordingPath).Select(message => message.Session).Distinct());
    }

    [Fact]
    public void BackEndMissing_TurnsTheFrontEndAway()
    {
        using VireoProcess recorder = StartRecorder();

        Assert.ThrowsAny<Exception>(() => Converse(FrontPath));

        recorder.Terminate();
        Assert.Equal(ExitCode.Success, recorder.WaitForEnd());
        Assert.Contains("cannot be reached", recorder.Error, StringComparison.Ordinal);
        Assert.Empty(RecordingReader.Read(RecordingPath));
    }

    [Fact]
    public void Replay_SameBackEnd_AnswersTheSame()
    {
        using VireoProcess vireo = StartDisk();
        Record(() => Converse(FrontPath));

        var replay = CommandRun.Of("replay", RecordingPath, BackPath);

        Assert.Equal(ExitCode.Success, replay.ExitCode);
        Assert.Matches(@"^session 1: \d\d? messages played, 0 answered otherwise\n$", replay.Output);
    }

    [Fact]
    public void Replay_OtherBackEnd_SaysWhatDiffers()
    {
        using (VireoProcess first = StartDisk())
        {
            Record(() => Converse(FrontPath));
        }

        using var second = VireoProcess.Start(["block", "--memory=2M", "--read-only", "--vhost-user", BackPath]);
        second.ReadLine();

        var replay = CommandRun.Of("replay", RecordingPath, BackPath);

        Assert.Equal(ExitCode.Failure, replay.ExitCode);
        Assert.Contains("GET_FEATURES: answered ", replay.Output, StringComparison.Ordinal);
        Assert.Contains("GET_CONFIG: answered ", replay.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Replay_BackEndThatGoes_Fails()
    {
        using (VireoProcess vireo = StartDisk())
        {
            Record(() => Converse(FrontPath));
        }

        // A header that no back-end of ours takes: an answer that nobody asked for.
        List<RecordedMessage> messages = RecordingReader.Read(RecordingPath);
        using (var writer = new RecordingWriter(RecordingPath))
        {
            writer.Write(messages[0] with { Flags = 7 });
            messages.ForEach(writer.Write);
        }

        using VireoProcess again = StartDisk();
        var replay = CommandRun.Of("replay", RecordingPath, BackPath);

        Assert.Equal(ExitCode.Failure, replay.ExitCode);
        Assert.StartsWith("vireo replay: session 1: message ", replay.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Replay_NobodyListens_SaysSo()
    {
        using (var writer = new RecordingWriter(RecordingPath))
        {
            writer.Write(
                new()
                {
                    Session = int.MaxValue,
                    Direction = MessageDirection.FrontEnd,
                    Request = 1,
                    Flags = 1,
                }
            );
        }

        var replay = CommandRun.Of("replay", RecordingPath, BackPath);

        Assert.Equal(ExitCode.Failure, replay.ExitCode);
        Assert.Equal($"vireo replay: there is no socket '{BackPath}'; start the back-end first\n", replay.Error);
    }

    /// <summary>Greets, looks at the configuration, and goes.</summary>
    private static void Converse(string path)
    {
        const int CapacityBytes = 8;
        using var frontEnd = VhostUserFrontEnd.Connect(path, new() { TakesRequests = true });
        Assert.True(frontEnd.OfferedFeatures.Contains(CoreFeature.Version1));
        byte[] config = new byte[CapacityBytes];
        frontEnd.ReadConfig(config);
        Assert.Equal(2048, BitConverter.ToInt64(config));
        Assert.NotNull(frontEnd.ReadQueueCount());
    }

    private VireoProcess StartDisk()
    {
        var vireo = VireoProcess.Start(["block", "--memory=1M", "--vhost-user", BackPath]);
        vireo.ReadLine();
        return vireo;
    }

    private VireoProcess StartRecorder()
    {
        var recorder = VireoProcess.Start(["record", FrontPath, BackPath, "--output", RecordingPath]);
        Assert.Equal($"ready: record on {FrontPath}", recorder.ReadLine());
        return recorder;
    }

    private void Record(Action conversation)
    {
        using VireoProcess recorder = StartRecorder();
        conversation();
        recorder.Terminate();
        Assert.Equal(ExitCode.Success, recorder.WaitForEnd());
    }
}
