using System.Net.Sockets;

namespace Vireo.Tests.Cli.Inspect;

/// <summary>Listens on a socket and answers as a back-end does, but for what the test makes of its answers.</summary>
internal sealed class LyingBackEnd : IDisposable
{
    public const uint GetQueueCount = 17;

    private const uint GetFeatures = 1;
    private const uint GetProtocolFeatures = 15;
    private const uint GetConfig = 24;
    private const uint AnswerFlags = 5; // version 1, reply
    private const int HeaderBytes = 12;

    private readonly Socket _listener;
    private readonly Func<Answer, Answer?> _twist;
    private readonly Thread _thread;

    /// <summary>Begins to listen.</summary>
    /// <param name="path">Where.</param>
    /// <param name="twist">Makes of a good answer what is sent; null hangs up.</param>
    public LyingBackEnd(string path, Func<Answer, Answer?> twist)
    {
        _listener = FrontEnd.Listen(path);
        _twist = twist;
        _thread = new(Serve) { IsBackground = true };
        _thread.Start();
    }

    public void Dispose()
    {
        _listener.Dispose();
        _thread.Join();
    }

    private void Serve()
    {
        try
        {
            using Socket socket = _listener.Accept();
            byte[] header = new byte[HeaderBytes];
            while (TryFill(socket, header))
            {
                byte[] payload = new byte[BitConverter.ToInt32(header, 8)];
                if (!TryFill(socket, payload) || !TryAnswer(socket, BitConverter.ToUInt32(header)))
                {
                    return;
                }
            }
        }
        catch (SocketException)
        {
            // The test is over, or the front-end has had enough.
        }
    }

    private static bool TryFill(Socket socket, byte[] bytes)
    {
        int count = 0;
        while (count < bytes.Length)
        {
            int received = socket.Receive(bytes.AsSpan(count));
            if (received == 0)
            {
                return false;
            }

            count += received;
        }

        return true;
    }

    private bool TryAnswer(Socket socket, uint request)
    {
        ulong? number = request switch
        {
            GetFeatures => 1ul << 30 | 1ul << 32,
            // MQ and CONFIG.
            GetProtocolFeatures => 1ul << 0 | 1ul << 9,
            GetQueueCount => 2,
            GetConfig => 0,
            _ => null,
        };
        if (number is not { } value)
        {
            return true;
        }

        if (_twist(new(request, AnswerFlags, sizeof(ulong), value)) is not { } answer)
        {
            return false;
        }

        byte[] bytes =
        [
            .. BitConverter.GetBytes(answer.Request),
            .. BitConverter.GetBytes(answer.Flags),
            .. BitConverter.GetBytes(answer.StatedBytes),
            .. BitConverter.GetBytes(answer.Number),
        ];
        socket.Send(bytes);
        return true;
    }

    /// <summary>An answer that is a number.</summary>
    internal sealed record Answer(uint Request, uint Flags, uint StatedBytes, ulong Number);
}
