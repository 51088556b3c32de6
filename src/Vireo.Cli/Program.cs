using Vireo.Cli.Commands;

namespace Vireo.Cli;

/// <summary>Where the process starts.</summary>
internal static class Program
{
    /// <summary>Where the kernel keeps the words this process was started with.</summary>
    private const string OwnCommandLine = "/proc/self/cmdline";

    private static int Main(string[] arguments) => CommandLine.Run(WithDevice(arguments), CommandContext.ForProcess());

    /// <summary>Puts the device first when the program was started by a link named after one, such as <c>vireo-block</c>.</summary>
    /// <remarks>
    /// Managers of virtual machines start back-ends by one absolute path and choose all words after it, so a device needs a
    /// path of its own. The runtime has followed the link; the name it was called by is only in the kernel's record.
    /// </remarks>
    private static string[] WithDevice(string[] arguments)
    {
        string record = File.ReadAllText(OwnCommandLine);
        string name = Path.GetFileName(record[..record.IndexOf('\0')]);
        return DeviceCatalog.FindByLink(name) is { } device ? [device.Name, .. arguments] : arguments;
    }
}
