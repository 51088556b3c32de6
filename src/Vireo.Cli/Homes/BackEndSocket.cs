using Vireo.Linux;
using Vireo.Linux.Sockets;

namespace Vireo.Cli.Homes;

/// <summary>Reaches back-ends that listen on a socket.</summary>
internal static class BackEndSocket
{
    /// <summary>Connects.</summary>
    /// <param name="path">The socket.</param>
    /// <exception cref="CommandException">It is not there, or nobody listens; the message says what to do.</exception>
    public static UnixChannel Connect(string path)
    {
        try
        {
            return UnixChannel.Connect(path);
        }
        catch (LinuxException exception)
        {
            throw new CommandException(
                exception.Error switch
                {
                    Errno.ENOENT => $"there is no socket '{path}'; start the back-end first",
                    Errno.ECONNREFUSED => $"nobody listens on '{path}'; start the back-end first",
                    Errno.EACCES or Errno.EPERM => $"this user may not connect to '{path}'",
                    _ => exception.Message,
                }
            );
        }
    }
}
