using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>Tells a service manager how this process is (sd_notify).</summary>
/// <remarks>Sends one datagram per call to the socket named by NOTIFY_SOCKET; nothing when there is none. Any thread.</remarks>
public sealed class ServiceNotifier
{
    private const string Variable = "NOTIFY_SOCKET";

    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(1);

    private readonly string? _address;

    /// <summary>Makes a notifier for an address.</summary>
    /// <param name="address">An absolute path, or <c>@</c> and an abstract name; null or empty for nobody.</param>
    public ServiceNotifier(string? address) => _address = string.IsNullOrEmpty(address) ? null : address;

    /// <summary>Whether a service manager listens.</summary>
    public bool IsEnabled => _address is not null;

    /// <summary>Makes a notifier from the environment. The variable stays, for the case that children report, too.</summary>
    public static ServiceNotifier FromEnvironment() => new(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Says that the service is up.</summary>
    /// <param name="status">One line that says what it serves, or null.</param>
    /// <returns>False when nobody was told.</returns>
    public bool Ready(string? status = null) =>
        Notify(status is null ? "READY=1" : $"READY=1\nSTATUS={OneLine(status)}");

    /// <summary>Says what the service is doing.</summary>
    /// <param name="status">One line.</param>
    /// <returns>False when nobody was told.</returns>
    public bool Status(string status) => Notify($"STATUS={OneLine(status)}");

    /// <summary>Says that the service is ending.</summary>
    /// <returns>False when nobody was told.</returns>
    public bool Stopping() => Notify("STOPPING=1");

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    /// <summary>Sends a message. A manager that cannot be reached is no reason to fail: the service itself works.</summary>
    private bool Notify(string message)
    {
        try
        {
            return _address is not null && TrySend(_address, Encoding.UTF8.GetBytes(message));
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    // SAFETY: the kernel reads the array, which is pinned; the time limit set by Connect holds for writes, too.
    private static unsafe bool TrySend(string name, byte[] message)
    {
        UnixAddress address = name[0] == '@' ? UnixAddress.OfAbstractName(name[1..]) : UnixAddress.OfPath(name);
        try
        {
            using SafeFileHandle socket = LinuxException.ThrowIfInvalid(
                LibC.socket(LibC.AF_UNIX, LibC.SOCK_DGRAM | LibC.SOCK_CLOEXEC, 0),
                nameof(LibC.socket)
            );
            if (UnixSocket.Connect(socket, ref address, SendTimeout) != Errno.None)
            {
                return false;
            }

            fixed (byte* bytes = message)
            {
                return LibC.write(socket, bytes, (nuint)message.Length) == message.Length;
            }
        }
        finally
        {
            address.Dispose();
        }
    }
}
