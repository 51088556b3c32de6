using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Vireo.Cli;
using Vireo.Cli.Commands;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Tests.Homes.VfioUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli;

/// <summary>The promises a served device makes to whoever starts it, kept by the built program.</summary>
public sealed class ServerProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string SocketPath => _folder["device.sock"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Listening_SaysReady_AndAnswers()
    {
        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath);

        Assert.Equal($"ready: entropy on {SocketPath}", vireo.ReadLine());
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void VfioUser_SaysReady_AndServesAFunctionOverAndOver()
    {
        using var vireo = VireoProcess.Start("entropy", "--vfio-user", SocketPath, "--ring=split");

        Assert.Equal($"ready: entropy on {SocketPath}", vireo.ReadLine());
        for (int round = 0; round < 2; round++)
        {
            using var client = Client.Connect(SocketPath);
            client.Agree();
            PciDriver driver = new(client);
            driver.EnableFunction(useMsix: true);
            FeatureSet offered = driver.ReadOffered();
            Assert.True(offered.Contains(CoreFeature.EventIndex));
            Assert.False(offered.Contains(CoreFeature.RingPacked));
        }

        vireo.Terminate();
        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public void VfioUser_FolderMissing_SaysSoInOneSentence()
    {
        using var vireo = VireoProcess.Start("entropy", "--vfio-user", _folder["no/such/device.sock"]);

        Assert.Equal(ExitCode.Failure, vireo.WaitForEnd());
        Assert.Equal(
            $"vireo entropy: the folder of '{_folder["no/such/device.sock"]}' is not there; make it first\n",
            vireo.Error
        );
    }

    [Fact]
    public void VfioUser_InheritedListener_IsServed()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);
        int number = FrontEnd.MakeInheritable(listener);

        using var vireo = VireoProcess.Start("entropy", "--vfio-user", $"--fd={number}");

        Assert.StartsWith("ready: entropy on an inherited socket", vireo.ReadLine(), StringComparison.Ordinal);
        using var client = Client.Connect(SocketPath);
        client.Agree();
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public void Signal_EndsCleanly_AndRemovesTheSocket(string signal)
    {
        using var vireo = VireoProcess.Start("entropy", "--socket-path", SocketPath);
        vireo.ReadLine();
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);

        using var kill = Process.Start("kill", ["-s", signal, vireo.Id.ToString(CultureInfo.InvariantCulture)]);

        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public void OneFrontEndAfterAnother_IsServed()
    {
        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath);
        vireo.ReadLine();

        for (int round = 0; round < 3; round++)
        {
            using Socket socket = FrontEnd.Connect(SocketPath);
            FrontEnd.AssertAnswers(socket);
        }
    }

    [Fact]
    public void FolderMissing_SaysSoInOneSentence()
    {
        using var vireo = VireoProcess.Start("entropy", "--vhost-user", _folder["no/such/device.sock"]);

        Assert.Equal(ExitCode.Failure, vireo.WaitForEnd());
        Assert.Equal(
            $"vireo entropy: the folder of '{_folder["no/such/device.sock"]}' is not there; make it first\n",
            vireo.Error
        );
    }

    [Fact]
    public void PathIsAFile_IsLeftAlone()
    {
        File.WriteAllText(SocketPath, "precious");

        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath);

        Assert.Equal(ExitCode.Failure, vireo.WaitForEnd());
        Assert.Contains("is no socket", vireo.Error, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(SocketPath));
    }

    [Fact]
    public void StaleSocket_IsReplaced()
    {
        using (var killed = VireoProcess.Start("entropy", "--vhost-user", SocketPath))
        {
            killed.ReadLine();
            killed.Kill();
        }

        Assert.True(File.Exists(SocketPath));

        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath);

        Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void SecondInstance_IsRefused_AndTheFirstGoesOn()
    {
        using var first = VireoProcess.Start("entropy", "--vhost-user", SocketPath);
        first.ReadLine();

        using var second = VireoProcess.Start("entropy", "--vhost-user", SocketPath);

        Assert.Equal(ExitCode.Failure, second.WaitForEnd());
        Assert.Contains("another process listens", second.Error, StringComparison.Ordinal);
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void SocketMode_IsTheFilesMode()
    {
        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath, "--socket-mode", "0620");
        vireo.ReadLine();

        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite,
            File.GetUnixFileMode(SocketPath)
        );
    }

    [Fact]
    public void SocketGroup_Unknown_SaysSo()
    {
        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath, "--socket-group", "no-such-group");

        Assert.Equal(ExitCode.Failure, vireo.WaitForEnd());
        Assert.StartsWith("vireo entropy: there is no group 'no-such-group'", vireo.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void InheritedListener_IsServed()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);
        int number = FrontEnd.MakeInheritable(listener);

        using var vireo = VireoProcess.Start("entropy", $"--fd={number}");

        Assert.StartsWith("ready: entropy on an inherited socket", vireo.ReadLine(), StringComparison.Ordinal);
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void InheritedConnection_IsServed_AndItsEndIsTheEnd()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);
        using Socket ours = FrontEnd.Connect(SocketPath);
        Socket theirs = listener.Accept();
        int number = FrontEnd.MakeInheritable(theirs);

        using var vireo = VireoProcess.Start("entropy", $"--fd={number}");
        theirs.Dispose();

        Assert.StartsWith("ready: entropy on an inherited connection", vireo.ReadLine(), StringComparison.Ordinal);
        FrontEnd.AssertAnswers(ours);
        ours.Dispose();
        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
    }

    [Theory]
    [InlineData("--fd=99")]
    [InlineData("--fd=0")]
    public void InheritedDescriptor_NotASocket_SaysSo(string option)
    {
        using var vireo = VireoProcess.Start("entropy", option);

        Assert.Equal(ExitCode.Failure, vireo.WaitForEnd());
        Assert.Contains("pass a UNIX stream socket", vireo.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void SocketActivation_IsServed()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);
        int number = FrontEnd.MakeInheritable(listener);

        using var vireo = VireoProcess.StartInShell(
            $"exec 3<&{number}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"",
            "entropy"
        );

        Assert.StartsWith("ready: entropy on an inherited socket", vireo.ReadLine(), StringComparison.Ordinal);
        using Socket socket = FrontEnd.Connect(SocketPath);
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void SocketActivation_ForAnotherProcess_IsNotOurs()
    {
        using var vireo = VireoProcess.StartInShell("LISTEN_FDS=1 LISTEN_PID=1 exec \"$@\"", "entropy");

        Assert.Equal(ExitCode.Usage, vireo.WaitForEnd());
    }

    [Fact]
    public void Connect_GoesToWhoListens()
    {
        using Socket listener = FrontEnd.Listen(SocketPath);

        using var vireo = VireoProcess.Start("entropy", "--vhost-user", SocketPath, "--connect");

        Assert.Equal($"ready: entropy connecting to {SocketPath}", vireo.ReadLine());
        using Socket socket = listener.Accept();
        FrontEnd.AssertAnswers(socket);
    }

    [Fact]
    public void ServiceManager_IsTold()
    {
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(_folder["notify"]));
        manager.ReceiveTimeout = 30_000;
        byte[] buffer = new byte[1024];

        using var vireo = VireoProcess.StartInShell(
            $"NOTIFY_SOCKET='{_folder["notify"]}' exec \"$@\"",
            "entropy",
            "--vhost-user",
            SocketPath
        );

        string ready = Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer));
        Assert.Equal($"READY=1\nSTATUS=entropy on {SocketPath}", ready);
        vireo.Terminate();
        Assert.Equal("STOPPING=1", Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer)));
    }

    [Fact]
    public void LinkNamedAfterADevice_IsThatDevice()
    {
        string link = _folder["vireo-entropy"];
        File.CreateSymbolicLink(link, VireoProcess.Program);

        using var vireo = VireoProcess.StartProgram(link, ["--fd=1", "--print-capabilities"]);

        DeviceCommand device = DeviceCatalog.Find("entropy")!;
        Assert.Contains($"\"{device.Capabilities.Type}\"", vireo.ReadToEnd(), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Success, vireo.WaitForEnd());
    }
}
