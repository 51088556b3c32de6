using System.Net.Sockets;
using Vireo.Cli;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli.Commands;

public sealed class BlockCommandTests : IDisposable
{
    private const long DiskBytes = 1024 * 1024;

    private readonly TemporaryFolder _folder = new();

    private string SocketPath => _folder["disk.sock"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("disk.raw --memory 1G")]
    [InlineData("disk.raw --blk-file disk.raw")]
    [InlineData("--memory 1G --null 1G")]
    [InlineData("--memory 100")]
    [InlineData("--memory 1.5G")]
    [InlineData("--memory -1")]
    [InlineData("--null 9999999999E")]
    [InlineData("disk.raw --queues 0")]
    [InlineData("disk.raw --queue-size 100")]
    [InlineData("disk.raw --queue-size 65536")]
    [InlineData("disk.raw --block-size 4095")]
    [InlineData("disk.raw --cache all")]
    [InlineData("disk.raw --engine warp")]
    [InlineData("disk.raw --iops 0")]
    [InlineData("disk.raw --bps 1.5M")]
    [InlineData("disk.raw --werror sometimes")]
    [InlineData("disk.raw --rerror enospc")]
    [InlineData("disk.raw --detect-zeroes maybe")]
    [InlineData("disk.raw --zone-size 100")]
    [InlineData("disk.raw --segments-max 1023")]
    [InlineData("disk.raw --cpus 0,x")]
    [InlineData("disk.raw --cpus 9000")]
    [InlineData("disk.raw --poll-us 2000000")]
    public void Run_WordsThatMakeNoSense_AreRefused(string words)
    {
        var run = CommandRun.Of([
            "block",
            "--vhost-user",
            SocketPath,
            .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        ]);

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.StartsWith("vireo block: ", run.Error, StringComparison.Ordinal);
        Assert.EndsWith("; see 'vireo block --help'\n", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(SocketPath));
    }

    [Theory]
    [InlineData("missing.raw", "there is no image")]
    [InlineData(".", "is a folder")]
    public void Run_ImageThatIsNone_SaysWhatToDo(string image, string part)
    {
        var run = CommandRun.Of("block", Path.Combine(_folder.Path, image), "--vhost-user", SocketPath);

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains(part, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Run_SerialTooLong_SaysHowLongItMayBe()
    {
        var run = CommandRun.Of("block", "--memory=1M", "--vhost-user", SocketPath, "--serial", new string('x', 21));

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("20", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--memory 1M --iops-burst 5", "--iops")]
    [InlineData("--memory 1M --zone-size 768K", "power of two")]
    [InlineData("--memory 1M --cpus 8000", "--cpus")]
    public void Run_OptionsThatDoNotFit_SayWhatDoes(string words, string part)
    {
        var run = CommandRun.Of(["block", "--vhost-user", SocketPath, .. words.Split(' ')]);

        Assert.NotEqual(ExitCode.Success, run.ExitCode);
        Assert.Contains(part, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Capabilities_AreTheOptionalWordsOfTheConvention()
    {
        var run = CommandRun.Of("block", "--print-capabilities");

        Assert.Contains("\"blk-file\"", run.Output, StringComparison.Ordinal);
        Assert.Contains("\"read-only\"", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("IMAGE")]
    [InlineData("--read-only IMAGE --queues 4 --threads 2 --queue-size 128 --poll-us 50")]
    [InlineData("--blk-file=IMAGE --read-only")]
    [InlineData(
        "IMAGE --iops 100 --bps 1M --bps-burst 8M --werror enospc --rerror stop --detect-zeroes unmap --cpus 0"
    )]
    [InlineData("IMAGE --engine threads --cache writethrough --no-discard --no-lock --serial S1 --block-size 4096")]
    public void Image_IsServed(string words)
    {
        string image = MakeImage("disk.raw");

        using var vireo = VireoProcess.Start([
            "block",
            "--socket-path",
            SocketPath,
            .. words.Replace("IMAGE", image, StringComparison.Ordinal).Split(' '),
        ]);

        Assert.Equal($"ready: block {image} on {SocketPath}", vireo.ReadLine());
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
        vireo.Terminate();
        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
    }

    [Theory]
    [InlineData("-leading-dash.raw")]
    [InlineData("@at.raw")]
    [InlineData("[brackets].raw")]
    [InlineData("with space é.raw")]
    public void ImageWithStrangeName_IsServed(string name)
    {
        string image = MakeImage(name);

        using var vireo = VireoProcess.StartInShell(
            $"cd '{_folder.Path}' && exec \"$@\"",
            "block",
            "--vhost-user",
            "disk.sock",
            "--",
            name
        );

        Assert.Equal($"ready: block {name} on disk.sock", vireo.ReadLine());
        Assert.Equal(DiskBytes, new FileInfo(image).Length);
    }

    [Fact]
    public void SecondWriter_IsRefused()
    {
        string image = MakeImage("disk.raw");
        using var first = VireoProcess.Start("block", image, "--vhost-user", SocketPath);
        first.ReadLine();

        using var second = VireoProcess.Start("block", image, "--vhost-user", _folder["other.sock"]);

        Assert.Equal(ExitCode.Failure, second.WaitForEnd());
        Assert.Contains(image, second.Error, StringComparison.Ordinal);
    }

    private string MakeImage(string name)
    {
        using FileStream file = File.Create(_folder[name]);
        file.SetLength(DiskBytes);
        return file.Name;
    }
}
