using System.Diagnostics;
using Vireo.Cli.Homes;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Inspect;

/// <summary>Asks a vhost-user back-end all that can be asked without using the device.</summary>
internal static class BackEndInspector
{
    private const int ConfigBytesMax = 256;

    /// <summary>The protocol feature CONFIG.</summary>
    private const int ConfigFeature = 9;

    /// <summary>Connects, asks, and disconnects.</summary>
    /// <param name="path">The socket the back-end listens on.</param>
    /// <param name="device">The device type, where the user knows it: the protocol has no question for it.</param>
    /// <param name="timeout">How long the back-end has for each answer, and for the configuration space in all its attempts.</param>
    /// <exception cref="CommandException">Nobody listens there, or not a back-end.</exception>
    public static BackEndReport Inspect(string path, DeviceDescription? device, TimeSpan timeout)
    {
        UnixChannel channel = BackEndSocket.Connect(path);
        PeerCredentials peer = channel.GetPeer();
        using VhostUserFrontEnd frontEnd = Greet(path, channel, timeout);
        try
        {
            int? queueCount = frontEnd.ReadQueueCount();
            DeviceStatus? status = frontEnd.ReadStatus();
            // Last, because some back-ends end the connection over a length they do not like.
            (byte[] config, string? refusal) = ReadConfig(frontEnd, device, timeout);
            return new BackEndReport
            {
                Path = path,
                ProcessId = peer.ProcessId,
                ProcessCommand = CommandOf(peer.ProcessId),
                Device = device,
                Features = frontEnd.OfferedFeatures,
                HasProtocolFeatures = frontEnd.HasProtocolFeatures,
                ProtocolFeatures = frontEnd.OfferedProtocolFeatures,
                Config = config,
                ConfigRefusal = refusal,
                QueueCount = queueCount,
                Status = status,
            };
        }
        catch (DeviceException exception)
        {
            throw new CommandException($"'{path}' does not keep to the vhost-user protocol: {exception.Message}");
        }
    }

    /// <summary>Negotiates; what goes wrong here has the user's own reasons more often than the back-end's.</summary>
    private static VhostUserFrontEnd Greet(string path, UnixChannel channel, TimeSpan timeout)
    {
        try
        {
            return VhostUserFrontEnd.Over(channel, new() { ReplyTimeout = timeout });
        }
        catch (DeviceException exception)
        {
            throw new CommandException(
                $"'{path}' did not answer as a vhost-user back-end: {exception.Message}; "
                    + "if it is one, it may be serving another front-end, and most serve one at a time"
            );
        }
    }

    /// <summary>Reads as much of the configuration space as the back-end gives.</summary>
    /// <remarks>
    /// There is no question for its length, and some back-ends refuse to read past its end. So the lengths that are likely are
    /// tried, the longest first.
    /// </remarks>
    private static (byte[] Config, string? Refusal) ReadConfig(
        VhostUserFrontEnd frontEnd,
        DeviceDescription? device,
        TimeSpan timeout
    )
    {
        long start = Stopwatch.GetTimestamp();
        string? refusal = null;
        if (!frontEnd.Uses(ConfigFeature))
        {
            return ([], null);
        }

        foreach (int length in LikelyLengths(device))
        {
            byte[] config = new byte[length];
            try
            {
                frontEnd.ReadConfig(config);
                return (config, null);
            }
            catch (DeviceException exception)
            {
                refusal = exception.Message;
            }

            if (!frontEnd.IsConnected || Stopwatch.GetElapsedTime(start) >= timeout)
            {
                break;
            }
        }

        return ([], refusal);
    }

    private static List<int> LikelyLengths(DeviceDescription? device)
    {
        SortedSet<int> lengths = [];
        foreach (DeviceDescription candidate in device is null ? DeviceDescription.All : [device])
        {
            // Devices that were made for an older text end after one of the fields.
            foreach (ConfigField field in candidate.Config)
            {
                lengths.Add(Math.Min(field.Offset + field.LengthBytes, ConfigBytesMax));
            }
        }

        if (device is null)
        {
            lengths.Add(ConfigBytesMax);
        }

        List<int> longestFirst = [.. lengths];
        longestFirst.Reverse();
        return longestFirst;
    }

    /// <summary>The words a process was started with; empty when we may not know.</summary>
    private static string CommandOf(int processId)
    {
        try
        {
            return processId > 0 ? File.ReadAllText($"/proc/{processId}/cmdline").TrimEnd('\0').Replace('\0', ' ') : "";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
