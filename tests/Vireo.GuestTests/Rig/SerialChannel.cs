using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Vireo.GuestTests.Rig;

/// <summary>One stream between the test and a virtual machine (a serial port, QEMU's monitor), read as lines.</summary>
/// <remarks>A UNIX socket that listens before QEMU starts and connects to it, so that nothing is said before somebody hears it.</remarks>
public sealed partial class SerialChannel : IDisposable
{
    /// <summary>A line takes microseconds.</summary>
    private const int MatchMs = 1000;

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _name;
    private readonly Transcript _transcript;
    private readonly Thread _reader;
    private volatile Socket? _connection;

    public SerialChannel(string path, string name, Transcript transcript)
    {
        Path = path;
        _name = name;
        _transcript = transcript;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(1);
        _reader = new Thread(Read) { IsBackground = true, Name = $"rig {name}" };
        _reader.Start();
    }

    public string Path { get; }

    public LineLog Lines { get; } = new();

    /// <summary>Sends bytes; a peer that is gone is noticed by whoever waits for its answer.</summary>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        try
        {
            Socket connection = _connection ?? throw new InvalidOperationException($"{_name} is not connected yet.");
            while (!bytes.IsEmpty)
            {
                bytes = bytes[connection.Send(bytes)..];
            }
        }
        catch (SocketException exception)
        {
            _transcript.Write("rig", $"{_name}: {exception.Message}");
        }
    }

    public void Send(string text) => Send(Encoding.UTF8.GetBytes(text));

    public void Dispose()
    {
        _listener.Dispose();
        _connection?.Dispose();
        _reader.Join();
    }

    private void Read()
    {
        try
        {
            _connection = _listener.Accept();
            Receive(_connection);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The end: QEMU is gone or the test is over.
        }

        Lines.Close();
    }

    private void Receive(Socket connection)
    {
        byte[] buffer = new byte[65536];
        char[] characters = new char[65536];
        Decoder decoder = Encoding.UTF8.GetDecoder();
        var line = new StringBuilder();
        while (connection.Receive(buffer) is int received and > 0)
        {
            int count = decoder.GetChars(buffer, 0, received, characters, 0);
            foreach (char character in characters.AsSpan(0, count))
            {
                if (character != '\n')
                {
                    line.Append(character);
                    continue;
                }

                string text = Plain(line.ToString());
                _transcript.Write(_name, text.Replace(GuestAgent.Separator, '|'));
                Lines.Append(text);
                line.Clear();
            }

            Lines.SetUnfinished(Plain(line.ToString()));
        }
    }

    /// <summary>Without what only a terminal understands: firmware moves its cursor a lot.</summary>
    private static string Plain(string line) => TerminalControl().Replace(line, "");

    [GeneratedRegex(@"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>c])|\r|\x00", RegexOptions.ExplicitCapture, MatchMs)]
    private static partial Regex TerminalControl();
}
