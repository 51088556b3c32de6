namespace Vireo.Cli.Demo;

/// <summary>Gets ready what a guest is made of: downloads, unpacks and builds once, then finds it in the cache.</summary>
internal sealed class GuestProvision(string cacheFolder, ProcessList processes)
{
    /// <summary>What the script says when KVM boots a stock kernel.</summary>
    private const string KvmWorks = "kvm";

    /// <summary>Runs the scripts; their progress goes to standard error.</summary>
    /// <exception cref="CommandException">One of them failed; it has said why.</exception>
    public GuestFiles Run()
    {
        string scripts = Unpack();
        Dictionary<string, string> paths = ReadPairs(
            processes.ReadOutput(Path.Combine(scripts, "provision.sh"), "qemu11", "kernel", "tools")
        );
        foreach ((string name, string path) in ReadPairs(processes.ReadOutput(Path.Combine(scripts, "initramfs.sh"))))
        {
            paths[name] = path;
        }

        string answer = processes.ReadOutput(Path.Combine(scripts, "kvm-works.sh")).Trim();
        return new GuestFiles(
            Path.Combine(paths["qemu11"], "vireo-bin/qemu-system-x86_64"),
            paths["kernel"],
            paths["initramfs"],
            paths["words"],
            Path.Combine(paths["tools"], "usr/bin/busybox"),
            answer is KvmWorks ? null : answer[(answer.IndexOf(' ', StringComparison.Ordinal) + 1)..]
        );
    }

    private string Unpack()
    {
        try
        {
            return GuestScripts.Unpack(cacheFolder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(
                $"downloads cannot be kept in '{cacheFolder}'; set VIREO_CACHE to a folder of yours"
            );
        }
    }

    /// <summary>Lines of a name, a space and a path or other text.</summary>
    private static Dictionary<string, string> ReadPairs(string output)
    {
        Dictionary<string, string> pairs = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0)
            {
                pairs[line[..space]] = line[(space + 1)..];
            }
        }

        return pairs;
    }
}
