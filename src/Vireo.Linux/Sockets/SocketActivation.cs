using System.Globalization;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>Sockets that a service manager opened for this process (sd_listen_fds).</summary>
public static class SocketActivation
{
    /// <summary>The first descriptor a service manager passes (SD_LISTEN_FDS_START).</summary>
    private const int FirstDescriptor = 3;

    /// <summary>More than this is not a service manager speaking.</summary>
    private const int DescriptorsMax = 1024;

    private const string PidVariable = "LISTEN_PID";
    private const string CountVariable = "LISTEN_FDS";
    private const string NamesVariable = "LISTEN_FDNAMES";

    /// <summary>Takes over the sockets, once: the variables are removed, so that no child takes them for its own.</summary>
    /// <returns>The sockets in the manager's order, the caller's; empty when this process was started otherwise.</returns>
    /// <exception cref="LinuxException">A descriptor is missing, or is not a UNIX stream socket.</exception>
    public static IReadOnlyList<InheritedDescriptor> Take()
    {
        string? pid = TakeVariable(PidVariable);
        string? count = TakeVariable(CountVariable);
        string? names = TakeVariable(NamesVariable);
        return Adopt(pid, count, names, FirstDescriptor);
    }

    /// <summary>The same, from values.</summary>
    internal static IReadOnlyList<InheritedDescriptor> Adopt(string? pid, string? count, string? names, int first)
    {
        // A variable that names another process was meant for it and has only been inherited.
        if (Parse(pid) != LibC.getpid() || Parse(count) is not (> 0 and <= DescriptorsMax and var total))
        {
            return [];
        }

        string[] nameList = names?.Split(':') ?? [];
        List<InheritedDescriptor> sockets = [];
        try
        {
            for (int index = 0; index < total; index++)
            {
                string? name = index < nameList.Length ? nameList[index] : null;
                sockets.Add(InheritedDescriptor.Adopt(first + index, name));
            }
        }
        catch
        {
            sockets.ForEach(socket => socket.Dispose());
            throw;
        }

        return sockets;
    }

    private static string? TakeVariable(string name)
    {
        string? value = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, null);
        return value;
    }

    private static int? Parse(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
}
