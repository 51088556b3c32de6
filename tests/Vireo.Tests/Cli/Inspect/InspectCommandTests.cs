using System.Net.Sockets;
using System.Text.Json;
using Vireo.Cli;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli.Inspect;

/// <summary><c>vireo inspect</c> on a running back-end, and on what is none.</summary>
public sealed class InspectCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string SocketPath => _folder["device.sock"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Disk_IsShownByName()
    {
        using var vireo = VireoProcess.Start([
            "block",
            "--memory=1M",
            "--queues=3",
            "--read-only",
            "--vhost-user",
            SocketPath,
        ]);
        vireo.ReadLine();

        var run = CommandRun.Of("inspect", SocketPath, "--as", "block");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains($"process      {vireo.Id} ", run.Output, StringComparison.Ordinal);
        Assert.Contains("RO (5)", run.Output, StringComparison.Ordinal);
        Assert.Contains("EVENT_IDX (29)", run.Output, StringComparison.Ordinal);
        Assert.Contains("REPLY_ACK (3)", run.Output, StringComparison.Ordinal);
        Assert.Contains("capacity = 2048\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("num_queues = 3\n", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("max_secure_erase", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_IsOneObject()
    {
        using var vireo = VireoProcess.Start(["block", "--memory=1M", "--vhost-user", SocketPath]);
        vireo.ReadLine();

        var run = CommandRun.Of("inspect", SocketPath, "--as", "block", "--json");

        using var json = JsonDocument.Parse(run.Output);
        JsonElement root = json.RootElement;
        Assert.Equal("block", root.GetProperty("type").GetString());
        Assert.Equal("2048", root.GetProperty("config_fields").GetProperty("capacity").GetString());
        Assert.Contains(
            root.GetProperty("features").EnumerateArray(),
            feature => feature.GetProperty("bit").GetInt32() == 32
        );
    }

    [Fact]
    public void UnknownType_ShowsNumbersAndBytes()
    {
        using var vireo = VireoProcess.Start(["block", "--memory=1M", "--vhost-user", SocketPath]);
        vireo.ReadLine();

        var run = CommandRun.Of("inspect", SocketPath);

        Assert.Contains("name it with --as TYPE", run.Output, StringComparison.Ordinal);
        Assert.Contains("bit 9", run.Output, StringComparison.Ordinal);
        Assert.Contains("0008000000000000", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspected_TheBackEndServesOn()
    {
        using var vireo = VireoProcess.Start(["entropy", "--vhost-user", SocketPath]);
        vireo.ReadLine();

        Assert.Equal(ExitCode.Success, CommandRun.Of("inspect", SocketPath, "--as", "entropy").ExitCode);

        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void BusyBackEnd_SaysWhy()
    {
        using var vireo = VireoProcess.Start(["entropy", "--vhost-user", SocketPath]);
        vireo.ReadLine();
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);

        var run = CommandRun.Of("inspect", SocketPath);

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("another front-end", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void NoSocket_SaysSo()
    {
        var run = CommandRun.Of("inspect", SocketPath);

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Equal($"vireo inspect: there is no socket '{SocketPath}'; start the back-end first\n", run.Error);
    }

    [Fact]
    public void UnknownTypeName_ListsTheKnownOnes()
    {
        var run = CommandRun.Of("inspect", SocketPath, "--as", "toaster");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("net, block, console, entropy", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void SilentBackEnd_IsNotWaitedForForEver()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);

        var run = CommandRun.Of("inspect", SocketPath, "--timeout", "1");

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("within 1 s", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AnswerThatIsARequest_IsNoBackEnds()
    {
        using LyingBackEnd liar = new(SocketPath, answer => answer with { Flags = 1 });

        AssertFails("did not answer as a vhost-user back-end", "flags 1");
    }

    [Fact]
    public void AnswerOfImpossibleLength_IsNoBackEnds()
    {
        using LyingBackEnd liar = new(SocketPath, answer => answer with { StatedBytes = uint.MaxValue });

        AssertFails("did not answer as a vhost-user back-end", "4294967295 bytes");
    }

    [Fact]
    public void HangingUp_IsNamed()
    {
        using LyingBackEnd liar = new(
            SocketPath,
            answer => answer.Request is LyingBackEnd.GetQueueCount ? null : answer
        );

        AssertFails("does not keep to the vhost-user protocol", "closed the connection");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(257)]
    [InlineData(ulong.MaxValue)]
    public void ImpossibleQueueCount_IsNamed(ulong count)
    {
        using LyingBackEnd liar = new(
            SocketPath,
            answer => answer.Request is LyingBackEnd.GetQueueCount ? answer with { Number = count } : answer
        );

        AssertFails("does not keep to the vhost-user protocol", $"{count} queues");
    }

    [Fact]
    public void ConfigurationOfAnotherLength_IsUnusual()
    {
        // A number for an answer, where a header and as many bytes as were asked for belong.
        using LyingBackEnd liar = new(SocketPath, answer => answer);

        var run = CommandRun.Of("inspect", SocketPath, "--as", "block");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains("CONFIG is offered, but reading failed", run.Output, StringComparison.Ordinal);
        Assert.Contains("queues       2\n", run.Output, StringComparison.Ordinal);
    }

    private void AssertFails(params string[] parts)
    {
        var run = CommandRun.Of("inspect", SocketPath, "--as", "block", "--timeout", "10");

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Equal(run.Error.Length - 1, run.Error.IndexOf('\n', StringComparison.Ordinal));
        Assert.All(parts, part => Assert.Contains(part, run.Error, StringComparison.Ordinal));
    }
}
