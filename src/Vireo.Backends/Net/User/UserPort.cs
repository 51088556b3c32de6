using System.ComponentModel;
using System.Diagnostics;
using System.Net.Sockets;
using Vireo.Backends.Net.Sockets;
using Vireo.Devices.Net;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Backends.Net.User;

/// <summary>The host's network for a guest, without privileges: passt runs behind us and turns frames into the host's sockets.</summary>
/// <remarks>
/// passt is a process of its own, confined by itself, that ends with the connection to it. The guest gets addresses, a router and
/// names by DHCP and by IPv6's router advertisements.
/// </remarks>
public sealed class UserPort : INetPort, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly StreamPort _port;
    private readonly Process _passt;
    private readonly string _folder;

    private UserPort(StreamPort port, Process passt, string folder)
    {
        _port = port;
        _passt = passt;
        _folder = folder;
    }

    /// <inheritdoc/>
    public NetPortTraits Traits => _port.Traits;

    /// <inheritdoc/>
    public bool IsLinkUp => _port.IsLinkUp;

    /// <inheritdoc/>
    public Action? LinkChanged
    {
        get => _port.LinkChanged;
        set => _port.LinkChanged = value;
    }

    /// <summary>Starts passt and connects to it.</summary>
    /// <param name="options">What passt is told.</param>
    /// <param name="loops">The loops that the device's queues run on; stay the caller's.</param>
    /// <exception cref="IOException">passt is not there, or ends at once; the message has its words.</exception>
    public static UserPort Start(UserPortOptions options, EventLoopGroup loops)
    {
        ArgumentNullException.ThrowIfNull(options);
        // A folder that nobody else can enter, so that nobody else can be passt's guest.
        string folder = Directory.CreateTempSubdirectory("vireo-passt-").FullName;
        try
        {
            string path = Path.Combine(folder, "socket");
            LastWords words = new();
            Process passt = Run(options, path, words);
            try
            {
                return new(Connect(passt, path, words, loops), passt, folder);
            }
            catch
            {
                End(passt);
                throw;
            }
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) => _port.SetReceiveOffloads(offloads);

    /// <inheritdoc/>
    public void SetPairsUsed(int count) => _port.SetPairsUsed(count);

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => _port.OpenSender(pairIndex, queue);

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) => _port.OpenReceiver(pairIndex, queue);

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) => _port.Inject(frame);

    /// <summary>Hangs up, and ends passt.</summary>
    public void Dispose()
    {
        _port.Dispose();
        End(_passt);
        Directory.Delete(_folder, recursive: true);
    }

    private static Process Run(UserPortOptions options, string path, LastWords words)
    {
        ProcessStartInfo start = new(options.Program) { UseShellExecute = false, RedirectStandardError = true };
        // It stays in the foreground, and ends when we do: then the only connection it takes is gone.
        foreach (string word in (ReadOnlySpan<string>)["--foreground", "--one-off", "--quiet", "--socket", path])
        {
            start.ArgumentList.Add(word);
        }

        foreach (string word in options.Arguments)
        {
            start.ArgumentList.Add(word);
        }

        try
        {
            Process passt = Process.Start(start)!;
            passt.ErrorDataReceived += (_, line) => words.Add(line.Data);
            passt.BeginErrorReadLine();
            return passt;
        }
        catch (Win32Exception exception)
        {
            throw new IOException($"'{options.Program}' cannot be started: {exception.Message}", exception);
        }
    }

    private static StreamPort Connect(Process passt, string path, LastWords words, EventLoopGroup loops)
    {
        long begin = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return StreamPort.Connect(new UnixDomainSocketEndPoint(path), loops);
            }
            catch (LinuxException exception) when (exception.Error is Errno.ENOENT or Errno.ECONNREFUSED)
            {
                if (passt.WaitForExit(TimeSpan.FromMilliseconds(5)))
                {
                    // Without a limit of time it waits for the end of the output, too.
                    passt.WaitForExit();
                    throw new IOException($"passt ended with {passt.ExitCode}: {words}", exception);
                }

                if (Stopwatch.GetElapsedTime(begin) > Patience)
                {
                    throw new IOException($"passt does not listen on '{path}'", exception);
                }
            }
        }
    }

    private static void End(Process passt)
    {
        try
        {
            passt.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended, because the connection has.
        }

        passt.WaitForExit();
        passt.Dispose();
    }

    /// <summary>The last lines that passt wrote, for whom it will not serve.</summary>
    private sealed class LastWords
    {
        private const int LinesMax = 8;

        private readonly Lock _gate = new();
        private readonly Queue<string> _lines = new();

        public void Add(string? line)
        {
            lock (_gate)
            {
                if (!string.IsNullOrWhiteSpace(line))
                {
                    _lines.Enqueue(line.Trim());
                }

                if (_lines.Count > LinesMax)
                {
                    _lines.Dequeue();
                }
            }
        }

        public override string ToString()
        {
            lock (_gate)
            {
                return string.Join("; ", _lines);
            }
        }
    }
}
