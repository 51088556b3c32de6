using System.Security.Cryptography;
using Vireo.GuestTests.Rig;

namespace Vireo.GuestTests.Net;

/// <summary>A network namespace with a <c>vireo net</c> in it that made a tap there, and a web server behind the tap.</summary>
/// <remarks>Nothing of it is seen by the host's own network, and it goes with the process.</remarks>
public sealed class HostNetwork
{
    public const string Address4 = "10.9.0.1";
    public const string Address6 = "fd09::1";
    public const string UserAddress4 = "169.254.2.2";
    public const string UserAddress6 = "fd09:1::1";

    private const string Interface = "vtap0";
    private readonly Func<string, string[], string> _run;
    private readonly Func<string, string[], ChildProcess> _start;
    private readonly string _www;

    private HostNetwork(
        ChildProcess vireo,
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www
    )
    {
        Vireo = vireo;
        _run = run;
        _start = start;
        _www = www;
    }

    /// <summary>The tap's name in the namespace.</summary>
    public string TapName { get; } = Interface;

    /// <summary>The process; it was started in the namespace.</summary>
    public ChildProcess Vireo { get; }

    /// <summary>The arguments by which <c>unshare</c> starts a program in a namespace of its own.</summary>
    public static string[] OwnNamespace => ["--user", "--map-root-user", "--net", "--"];

    /// <summary>Starts it.</summary>
    /// <param name="run">Runs a program to its good end.</param>
    /// <param name="start">Starts a program.</param>
    /// <param name="www">A folder for the server's files; made here.</param>
    /// <param name="arguments">What <c>vireo net</c> is told beside the tap.</param>
    public static HostNetwork Start(
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www,
        params string[] arguments
    )
    {
        return StartWithTap(run, start, www, ["net", "--tap", Interface, .. arguments]);
    }

    /// <summary>Starts it with <c>vireo switch</c> in the place of <c>vireo net</c>, whose way out is the tap.</summary>
    /// <inheritdoc cref="Start"/>
    public static HostNetwork StartSwitch(
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www,
        params string[] arguments
    ) => StartWithTap(run, start, www, ["switch", "--tap", Interface, .. arguments]);

    private static HostNetwork StartWithTap(
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www,
        string[] arguments
    )
    {
        HostNetwork network = Begin(run, start, www, arguments);
        string ip = GuestArtifacts.Program("nettools", "ip");
        network.Run(ip, "address", "add", $"{Address4}/24", "dev", Interface);
        network.Run(ip, "address", "add", $"{Address6}/64", "dev", Interface, "nodad");
        return network.Serve();
    }

    /// <summary>Starts it with passt in the place of the tap: the guest reaches the server of the loopback interface.</summary>
    /// <inheritdoc cref="Start"/>
    public static HostNetwork StartUser(
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www,
        params string[] arguments
    )
    {
        string[] words = ["-a", "fd09:1::2", "--map-host-loopback", UserAddress6, "--map-host-loopback", UserAddress4];
        HostNetwork network = Begin(
            run,
            start,
            www,
            [
                "net",
                "--user",
                "--passt",
                GuestArtifacts.Program("nettools", "passt"),
                .. words.Select(static word => $"--passt-arg={word}"),
                .. arguments,
            ]
        );
        network.Run(GuestArtifacts.Program("nettools", "ip"), "link", "set", "lo", "up");
        return network.Serve();
    }

    /// <summary>Runs a program in the namespace to its good end, and gives its output.</summary>
    public string Run(string program, params string[] arguments) => _run("nsenter", [.. Enter, program, .. arguments]);

    /// <summary>Starts a program in the namespace.</summary>
    public ChildProcess StartInside(string program, params string[] arguments) =>
        _start("nsenter", [.. Enter, program, .. arguments]);

    /// <summary>Lets the host send packets of 9,000 bytes to whoever says that it takes them.</summary>
    public void AllowLongPackets() =>
        Run(GuestArtifacts.Program("nettools", "ip"), "link", "set", Interface, "mtu", "9000");

    /// <summary>Makes the tap a port of a bridge, which gets its address.</summary>
    public void MakeBridge(string name)
    {
        string ip = GuestArtifacts.Program("nettools", "ip");
        Run(ip, "link", "add", name, "type", "bridge");
        Run(ip, "link", "set", Interface, "master", name);
        Run(ip, "address", "flush", "dev", Interface);
        Run(ip, "address", "add", $"{Address4}/24", "dev", name);
        Run(ip, "link", "set", name, "up");
    }

    /// <summary>Starts a server that gives the one guest behind the tap an address by DHCP, and the name of a file that it has by TFTP.</summary>
    /// <param name="address">The guest's address.</param>
    /// <param name="file">The file's name.</param>
    /// <param name="folder">Where the file is.</param>
    public ChildProcess ServeBoot(string address, string file, string folder) =>
        StartInside(
            GuestArtifacts.Program("nettools", "dnsmasq"),
            "--no-daemon",
            "--conf-file=/dev/null",
            "--user=",
            "--group=",
            // No server for names.
            "--port=0",
            $"--interface={Interface}",
            "--bind-interfaces",
            $"--dhcp-leasefile={_www}.leases",
            $"--dhcp-range={address},{address},255.255.255.0",
            $"--dhcp-boot={file}",
            "--enable-tftp",
            $"--tftp-root={folder}"
        );

    /// <summary>Puts a file of random bytes where the server finds it.</summary>
    /// <returns>Its MD5 sum.</returns>
    public string Publish(string name, int lengthBytes)
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(lengthBytes);
        File.WriteAllBytes(Path.Combine(_www, name), bytes);
        return SumOf(bytes);
    }

    /// <summary>The MD5 sum, as md5sum prints it.</summary>
    public static string SumOf(byte[] bytes) =>
#pragma warning disable CA5351 // It finds errors, not attackers, and is cheap for an emulated guest.
        Convert.ToHexStringLower(MD5.HashData(bytes));
#pragma warning restore CA5351

    private static HostNetwork Begin(
        Func<string, string[], string> run,
        Func<string, string[], ChildProcess> start,
        string www,
        string[] arguments
    )
    {
        Directory.CreateDirectory(www);
        ChildProcess vireo = start("unshare", [.. OwnNamespace, Repository.VireoProgram, .. arguments]);
        vireo.WaitForOutput("ready", RigTimeouts.Program);
        return new(vireo, run, start, www);
    }

    private HostNetwork Serve()
    {
        StartInside(GuestArtifacts.Program("nettools", "busybox"), "httpd", "-f", "-v", "-p", "[::]:80", "-h", _www);
        return this;
    }

    private string[] Enter => ["--target", $"{Vireo.Id}", "--user", "--net", "--preserve-credentials", "--"];
}
