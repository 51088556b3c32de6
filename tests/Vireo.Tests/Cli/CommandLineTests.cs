using System.Text.Json;
using Vireo.Cli;
using Vireo.Cli.Commands;

namespace Vireo.Tests.Cli;

public sealed class CommandLineTests
{
    public static TheoryData<string> Devices => [.. DeviceCatalog.All.Select(device => device.Name)];

    [Fact]
    public void Run_NoWords_SaysWhatToTypeAndFails()
    {
        var run = CommandRun.Of();

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.StartsWith("vireo: say what to serve, for example 'vireo block ", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bloc", "did you mean 'block'?")]
    [InlineData("--hepl", "did you mean '--help'?")]
    [InlineData("entirely-unknown", "see 'vireo --help'")]
    public void Run_UnknownCommand_NamesItAndSaysWhatToDo(string word, string advice)
    {
        var run = CommandRun.Of(word);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        AssertOneLine(run.Error);
        Assert.Contains($"'{word}'", run.Error, StringComparison.Ordinal);
        Assert.EndsWith(advice, run.Error.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--vhost-uesr=/tmp/x", "did you mean '--vhost-user'?")]
    [InlineData("--sockt-mode=660", "did you mean '--socket-mode'?")]
    public void Run_MistypedOption_SuggestsTheRightOne(string word, string advice)
    {
        var run = CommandRun.Of("entropy", word);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        AssertOneLine(run.Error);
        Assert.EndsWith(advice, run.Error.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--threads", "0")]
    [InlineData("--threads", "1025")]
    [InlineData("--threads", "many")]
    [InlineData("--threads", "99999999999999999999")]
    [InlineData("--poll-us", "-1")]
    [InlineData("--poll-us", "1000001")]
    [InlineData("--fd", "-1")]
    [InlineData("--fd", "0x3")]
    [InlineData("--socket-mode", "8")]
    [InlineData("--socket-mode", "1777")]
    [InlineData("--socket-mode", "rw-rw----")]
    [InlineData("--log-level", "loud")]
    [InlineData("--log-format", "xml")]
    public void Run_ValueOutOfRange_NamesOptionAndFails(string option, string value)
    {
        var run = CommandRun.Of("entropy", "--vhost-user", "/nowhere/x.sock", $"{option}={value}");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        AssertOneLine(run.Error);
        Assert.Contains($"'{value}'", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Run_DeviceWithoutPlace_SaysHowToGiveOne(string device)
    {
        string[] image = device is "block" ? ["disk.raw"] : [];

        var run = CommandRun.Of([device, .. image]);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        AssertOneLine(run.Error);
        Assert.Contains("--vhost-user SOCKET, --vfio-user SOCKET", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--vhost-user=")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--fd=5")]
    [InlineData("--fd=5", "--socket-mode=600")]
    [InlineData("--fd=5", "--socket-group=root")]
    [InlineData("--fd=5", "--connect")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--connect", "--socket-mode=600")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--socket-path=/nowhere/y.sock")]
    [InlineData("--vfio-user")]
    [InlineData("--vfio-user=")]
    [InlineData("--vfio-user=/nowhere/x.sock", "--fd=5")]
    [InlineData("--vfio-user=/nowhere/x.sock", "--connect")]
    [InlineData("--vfio-user=/nowhere/x.sock", "--vhost-user=/nowhere/y.sock")]
    [InlineData("--vfio-user=/nowhere/x.sock", "--ring=round")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--ring=split")]
    [InlineData("--vfio-user=/nowhere/x.sock", "--vectors=2049")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--vectors=2")]
    [InlineData("--vhost-user=/nowhere/x.sock", "--admin-queue")]
    public void Run_PlaceThatMakesNoSense_Fails(params string[] options)
    {
        var run = CommandRun.Of(["entropy", .. options]);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        AssertOneLine(run.Error);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Run_PrintCapabilities_IgnoresAllElseAndPrintsOneObject(string device)
    {
        var run = CommandRun.Of(
            device,
            "--fd=77",
            "--no-such-option",
            "--threads=x",
            "--print-capabilities",
            "--",
            "@"
        );

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Empty(run.Error);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(JsonValueKind.String, json.RootElement.GetProperty("type").ValueKind);
        Assert.Equal(JsonValueKind.Array, json.RootElement.GetProperty("features").ValueKind);
    }

    [Fact]
    public void Run_Version_PrintsIt()
    {
        var run = CommandRun.Of("--version");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Matches(@"^\d+\.\d+\.\d+", run.Output);
    }

    private static void AssertOneLine(string text)
    {
        Assert.StartsWith("vireo", text, StringComparison.Ordinal);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', text[..^1]);
    }
}
