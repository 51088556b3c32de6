using System.Diagnostics;

namespace Vireo.GuestTests.Rig;

/// <summary>What guests are made of, obtained by the scripts of eng/guest when a test first asks.</summary>
public static class GuestArtifacts
{
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Components = new(() => RunScript("provision.sh"));
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Initramfses = new(() =>
        RunScript("initramfs.sh")
    );
    private static readonly Lazy<IReadOnlyDictionary<string, string>> ForeignInitramfses = new(() =>
        RunScript("initramfs.sh", "s390x", "s390x")
    );
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Publications = new(() => RunScript("publish.sh"));
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Accelerators = new(() =>
        RunScript("kvm-works.sh")
    );

    /// <summary>The stock kernel, as QEMU starts it.</summary>
    public static string Kernel => Initramfses.Value["kernel"];

    /// <summary>The same kernel, as boot loaders and firmware start it (bzImage).</summary>
    public static string BootableKernel => Initramfses.Value["bzimage"];

    /// <summary>What a kernel is told so that it boots sooner where it is emulated.</summary>
    public static string QuickWords => Initramfses.Value["words"];

    /// <summary>The initramfs of the standard flavour.</summary>
    public static string Initramfs => Initramfses.Value["initramfs"];

    /// <summary>The stock kernel for s390x.</summary>
    public static string ForeignKernel => ForeignInitramfses.Value["kernel"];

    /// <summary>An initramfs for s390x.</summary>
    public static string ForeignInitramfs => ForeignInitramfses.Value["initramfs"];

    /// <summary>A Debian userland, to be shared with guests read-only.</summary>
    public static string Userland => Component("guestroot");

    /// <summary>The folder lib/modules of the stock kernel.</summary>
    public static string Modules => Path.Combine(Component("kernel"), "usr/lib/modules");

    /// <summary>Whether /dev/kvm of this host boots a stock kernel.</summary>
    public static bool HasKvm => Accelerators.Value.ContainsKey("kvm");

    /// <summary>The folder of an unpacked component, by its name in eng/guest/components.</summary>
    public static string Component(string name) => Components.Value[name];

    /// <summary>A program of a component that runs on this host, such as qemu-img of qemu11.</summary>
    public static string Program(string component, string name)
    {
        string path = Path.Combine(Component(component), "vireo-bin", name);
        return File.Exists(path)
            ? path
            : throw new FileNotFoundException(
                $"Component '{component}' has no launcher '{name}': see eng/guest/components/{component}.conf."
            );
    }

    /// <summary>A vireo for guests: one file that brings its own runtime.</summary>
    public static string PublishedVireo => Publications.Value["vireo"];

    /// <summary>The folder of all downloads: components, initramfs images.</summary>
    public static string Cache =>
        Path.GetDirectoryName(Path.GetDirectoryName(Component("kernel")))
        ?? throw new DirectoryNotFoundException("The cache has no folder.");

    /// <summary>Runs a script that prints lines of a name and a value.</summary>
    private static Dictionary<string, string> RunScript(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "eng/guest", name), arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        using Process script = Process.Start(start)!;
        string output = script.StandardOutput.ReadToEnd();
        script.WaitForExit();
        if (script.ExitCode != 0)
        {
            throw new InvalidOperationException($"eng/guest/{name} failed: run it by hand to see why.");
        }

        return output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2))
            .ToDictionary(parts => parts[0], parts => parts.Length > 1 ? parts[1] : "", StringComparer.Ordinal);
    }
}
