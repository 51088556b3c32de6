using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>Disks that NBD servers of others export: qemu-nbd and nbdkit.</summary>
public sealed class NbdPeerTests : ImageTest
{
    private const int DiskBytes = 8 * 1024 * 1024;

    private string ServerSocket => InScratch("nbd.sock");

    private string ServedSocket => InScratch("disk.sock");

    private string Target => $"driver=virtio-blk-vhost-user,path={ServedSocket},cache.direct=on";

    [Fact]
    public void ImageOfQemuNbdIsServed()
    {
        GeneratedImage generated = new(31);
        string image = InScratch("disk.qcow2");
        QemuImg("create", "-q", "-f", "qcow2", image, $"{GeneratedImage.DiskBytes}");
        QemuIo(image, "qcow2", generated.Commands(compresses: false));
        StartServer(
            "qemu11",
            "qemu-nbd",
            ["--persistent", "--shared=8", "-x", "disk", "-f", "qcow2", "--discard=unmap", "-k", ServerSocket, image]
        );
        string uri = $"nbd+unix:///disk?socket={ServerSocket}";

        VireoDaemon daemon = StartVireo("block", uri, "--vhost-user", ServedSocket);
        string[] commands = [.. new GeneratedImage(32).Commands(compresses: false)];
        Client(commands);
        QemuImg("convert", "--image-opts", Target, "-O", "raw", InScratch("shown.raw"));
        daemon.Stop();

        QemuImg("compare", "-f", "raw", "-F", "raw", uri, InScratch("shown.raw"));
    }

    [Fact]
    public void OverlayInFrontOfAnExportLeavesItAsItIs()
    {
        StartNbdkit(["memory", $"{DiskBytes}"]);
        string uri = $"nbd+unix:///?socket={ServerSocket}";
        VireoDaemon daemon = StartVireo("block", uri, "--snapshot", "--vhost-user", ServedSocket);

        Client("write -P 5 12800 70144", "read -P 5 12800 70144", "read -P 0 0 12800");
        daemon.Stop();

        Vireo("image", "convert", "--to", "raw", uri, InScratch("copy.raw"));
        Assert.Equal(new byte[DiskBytes], File.ReadAllBytes(InScratch("copy.raw")));
    }

    [Fact]
    public void EncryptedExportIsServedToThoseWhoTrustItsServer()
    {
        string folder = MakeCertificates();
        StartNbdkit(["--tls=require", "--tls-verify-peer", $"--tls-certificates={folder}", "memory", $"{DiskBytes}"]);

        (int status, ChildProcess refused) = RunVireo(
            "block",
            $"nbd+unix:///?socket={ServerSocket}",
            "--vhost-user",
            ServedSocket
        );
        Assert.Equal(1, status);
        Assert.Contains("wants TLS", string.Join('\n', refused.Errors.Lines()), StringComparison.Ordinal);

        // The host's own authorities do not know this one.
        (status, refused) = RunVireo(
            "block",
            $"nbds+unix:///?socket={ServerSocket}&tls-hostname=localhost",
            "--vhost-user",
            ServedSocket
        );
        Assert.Equal(1, status);
        Assert.Contains(
            "TLS with the server failed",
            string.Join('\n', refused.Errors.Lines()),
            StringComparison.Ordinal
        );

        string uri = $"nbds+unix:///?socket={ServerSocket}&tls-hostname=localhost&tls-certificates={folder}";
        StartVireo("block", uri, "--vhost-user", ServedSocket);
        Client("write -P 9 0 3145728", "flush", "read -P 9 0 3145728", "write -z 4096 8192", "read -P 0 4096 8192");
    }

    [Fact]
    public void ErrorsOfTheServerReachTheClientAndPassAway()
    {
        string trigger = InScratch("broken");
        StartNbdkit([
            $"--filter={NbdkitPart("filters/nbdkit-error-filter.so")}",
            "memory",
            $"{DiskBytes}",
            "error-pread=EIO",
            "error-pread-rate=100%",
            $"error-pread-file={trigger}",
            "error-pwrite=ENOSPC",
            "error-pwrite-rate=100%",
            $"error-pwrite-file={trigger}",
        ]);
        StartVireo("block", $"nbd+unix:///?socket={ServerSocket}", "--vhost-user", ServedSocket);
        Client("write -P 3 0 65536");

        File.WriteAllText(trigger, "");
        Assert.Contains("failed", ClientOutput("read 0 65536"), StringComparison.Ordinal);
        Assert.Contains("failed", ClientOutput("write -P 4 65536 65536"), StringComparison.Ordinal);
        File.Delete(trigger);

        Client("read -P 3 0 65536", "read -P 0 65536 65536");
    }

    [Fact]
    public void ServerThatIsKilledAndStartedAgainLosesNoRequest()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string[] arguments = ["--persistent", "--shared=8", "-f", "raw", "-k", ServerSocket, image];
        ChildProcess server = StartServer("qemu11", "qemu-nbd", arguments);
        StartVireo(
            "block",
            $"nbd+unix:///?socket={ServerSocket}",
            "--vhost-user",
            ServedSocket,
            "--nbd-reconnect",
            "600"
        );
        Client("write -P 1 0 1048576");

        server.Signal(UnixSignal.Kill);
        server.WaitForExit(RigTimeouts.Program);
        ChildProcess client = StartProgram(
            GuestArtifacts.Program("qemu11", "qemu-io"),
            ["-t", "none", "--image-opts", Target, "-c", "write -P 2 524288 1048576", "-c", "flush"]
        );
        File.Delete(ServerSocket);
        StartServer("qemu11", "qemu-nbd", arguments);

        Assert.Equal(0, client.WaitForExit(RigTimeouts.Program));
        Client("read -P 1 0 524288", "read -P 2 524288 1048576");
    }

    [Fact]
    public void WhatIsEncryptedIsServedThroughNbdkit()
    {
        string key = InScratch("passphrase");
        File.WriteAllText(key, "correct horse");
        string image = InScratch("disk.luks");
        string[] secret = ["--object", $"secret,id=key,file={key}"];
        QemuImg(["create", "-q", .. secret, "-f", "luks", "-o", "key-secret=key,iter-time=10", image, "4M"]);
        StartServer(
            "nbdkit",
            "nbdkit",
            [
                "--foreground",
                "-U",
                ServerSocket,
                $"--filter={NbdkitPart("filters/nbdkit-luks-filter.so")}",
                NbdkitPart("plugins/nbdkit-file-plugin.so"),
                image,
                $"passphrase=+{key}",
            ]
        );
        StartVireo("block", $"nbd+unix:///?socket={ServerSocket}", "--vhost-user", InScratch("disk.sock"));

        Client("write -P 5 0 1M", "read -P 5 0 1M", "flush");

        RunProgram(
            GuestArtifacts.Program("qemu11", "qemu-io"),
            [
                .. secret,
                "--image-opts",
                $"driver=luks,key-secret=key,file.driver=file,file.filename={image}",
                "-c",
                "read -P 5 0 1M",
            ]
        );
    }

    private void Client(params string[] commands) =>
        Assert.DoesNotContain("failed", ClientOutput(commands), StringComparison.Ordinal);

    /// <summary>What qemu-io says on either output, whatever its status.</summary>
    private string ClientOutput(params string[] commands)
    {
        ChildProcess client = StartProgram(
            GuestArtifacts.Program("qemu11", "qemu-io"),
            ["-t", "none", "--image-opts", Target, .. commands.SelectMany(command => (string[])["-c", command])]
        );
        client.WaitForExit(RigTimeouts.Program);
        return string.Join('\n', [.. client.Output.Lines(), .. client.Errors.Lines()]);
    }

    private void StartNbdkit(string[] arguments)
    {
        int plugin = Array.IndexOf(arguments, "memory");
        arguments[plugin] = NbdkitPart("plugins/nbdkit-memory-plugin.so");
        StartServer("nbdkit", "nbdkit", ["--foreground", "-U", ServerSocket, .. arguments]);
    }

    private static string NbdkitPart(string name) =>
        Path.Combine(GuestArtifacts.Component("nbdkit"), "usr/lib/x86_64-linux-gnu/nbdkit", name);

    /// <summary>Starts a server and waits until its socket is there.</summary>
    private ChildProcess StartServer(string component, string name, string[] arguments)
    {
        ChildProcess server = StartProgram(GuestArtifacts.Program(component, name), arguments);
        long start = Stopwatch.GetTimestamp();
        while (!IsListening())
        {
            string said = server.HasExited ? string.Join('\n', server.Errors.Lines()) : "";
            Assert.False(server.HasExited, $"{name} has ended: {said}");
            Assert.True(Stopwatch.GetElapsedTime(start) < RigTimeouts.Program, $"{name} does not start");
            Thread.Sleep(10);
        }

        return server;
    }

    private bool IsListening()
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(ServerSocket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>An authority, a server and a client it vouches for, in the files that GnuTLS programs look for.</summary>
    private string MakeCertificates()
    {
        string folder = Directory.CreateDirectory(InScratch("pki")).FullName;
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1);
        DateTimeOffset until = DateTimeOffset.UtcNow.AddDays(2);
        using var authorityKey = RSA.Create(2048);
        CertificateRequest authority = new(
            "CN=Test",
            authorityKey,
            HashAlgorithmName.SHA256,
            RSASignaturePadding.Pkcs1
        );
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        authority.CertificateExtensions.Add(
            new X509KeyUsageExtension(
                X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature,
                critical: true
            )
        );
        using X509Certificate2 root = authority.CreateSelfSigned(from, until);
        File.WriteAllText(Path.Combine(folder, "ca-cert.pem"), root.ExportCertificatePem());
        foreach (string who in (string[])["server", "client"])
        {
            using var key = RSA.Create(2048);
            CertificateRequest request = new($"CN={who}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            SubjectAlternativeNameBuilder names = new();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            byte[] serial = RandomNumberGenerator.GetBytes(8);
            using X509Certificate2 certificate = request.Create(root, from.AddHours(1), until.AddHours(-1), serial);
            File.WriteAllText(Path.Combine(folder, $"{who}-cert.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, $"{who}-key.pem"), key.ExportPkcs8PrivateKeyPem());
        }

        return folder;
    }
}
