using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Vireo.Backends.Block.Nbd;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>An NBD server over an array of bytes that does as it is told, wrong things included.</summary>
internal sealed class FakeNbdServer : IDisposable
{
    private const NbdExportFlags AllFlags =
        NbdExportFlags.HasFlags
        | NbdExportFlags.Flush
        | NbdExportFlags.Fua
        | NbdExportFlags.Trim
        | NbdExportFlags.WriteZeroes;

    private readonly TemporaryFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Thread _thread;
    private readonly Lock _gate = new();
    private Socket? _client;
    private bool _isDisposed;

    public FakeNbdServer(long lengthBytes)
    {
        Disk = new byte[lengthBytes];
        SocketPath = _folder["nbd.sock"];
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen();
        _thread = new(Serve) { IsBackground = true };
    }

    public byte[] Disk { get; }

    public string SocketPath { get; }

    public NbdAddress Address => NbdAddress.Parse($"nbd+unix:///disk?socket={SocketPath}");

    public NbdExportFlags Flags { get; init; } = AllFlags;

    public bool IsStructured { get; init; } = true;

    /// <summary>Minimum, preferred, maximum; null to say nothing.</summary>
    public (uint Min, uint Preferred, uint Max)? Blocks { get; init; }

    /// <summary>What is sent in place of the whole negotiation; null for a proper one.</summary>
    public byte[]? Greeting { get; init; }

    /// <summary>Answers a request in place of the usual answer: what is sent, or null for the usual one.</summary>
    public Func<FakeNbdRequest, byte[]?>? Answer { get; init; }

    /// <summary>The connection is closed in place of every so many-th answer; 0 for never.</summary>
    public int DropEvery { get; init; }

    /// <summary>Pieces in which the answer to a read comes, the last one first.</summary>
    public int PiecesOfReads { get; init; } = 1;

    /// <summary>Connections that were made.</summary>
    public int Connections { get; private set; }

    /// <summary>Requests of each command that came.</summary>
    public Dictionary<NbdCommand, int> Requests { get; } = [];

    public FakeNbdServer Start()
    {
        _thread.Start();
        return this;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _client?.Dispose();
            _listener.Dispose();
        }

        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        _folder.Dispose();
    }

    /// <summary>An answer in one piece.</summary>
    public static byte[] Simple(ulong cookie, uint error, ReadOnlySpan<byte> data = default)
    {
        byte[] bytes = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdProtocol.SimpleReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), error);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), cookie);
        data.CopyTo(bytes.AsSpan(16));
        return bytes;
    }

    /// <summary>A piece of an answer.</summary>
    public static byte[] Chunk(ulong cookie, ushort type, bool isLast, ReadOnlySpan<byte> payload, uint? length = null)
    {
        byte[] bytes = new byte[20 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdProtocol.StructuredReplyMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), isLast ? NbdProtocol.ChunkIsLast : (ushort)0);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), type);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), cookie);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), length ?? (uint)payload.Length);
        payload.CopyTo(bytes.AsSpan(20));
        return bytes;
    }

    /// <summary>A piece of data.</summary>
    public static byte[] Data(ulong cookie, bool isLast, ulong offset, ReadOnlySpan<byte> data)
    {
        byte[] payload = new byte[8 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(payload, offset);
        data.CopyTo(payload.AsSpan(8));
        return Chunk(cookie, NbdProtocol.ChunkData, isLast, payload);
    }

    public static byte[] OptionReply(uint option, uint reply, params byte[] data)
    {
        byte[] bytes = new byte[20 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdProtocol.OptionReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), reply);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), (uint)data.Length);
        data.CopyTo(bytes, 20);
        return bytes;
    }

    public static byte[] Hello(ulong magic = NbdProtocol.Magic, ulong style = NbdProtocol.OptionMagic, ushort flags = 3)
    {
        byte[] bytes = new byte[18];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, magic);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), style);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(16), flags);
        return bytes;
    }

    /// <summary>What tells of an export.</summary>
    public static byte[] ExportInfo(ulong length, ushort flags)
    {
        byte[] bytes = new byte[12];
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(2), length);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(10), flags);
        return bytes;
    }

    /// <summary>What tells of block sizes.</summary>
    public static byte[] BlockInfo(uint min, uint preferred, uint max)
    {
        byte[] bytes = new byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, NbdProtocol.InfoBlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(2), min);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(6), preferred);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(10), max);
        return bytes;
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                Socket client = _listener.Accept();
                lock (_gate)
                {
                    _client = client;
                    Connections++;
                    if (_isDisposed)
                    {
                        client.Dispose();
                        return;
                    }
                }

                using NetworkStream stream = new(client, ownsSocket: true);
                Converse(stream);
            }
            catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException)
            {
                if (_isDisposed)
                {
                    return;
                }
            }
        }
    }

    private void Converse(NetworkStream stream)
    {
        if (Greeting is not null)
        {
            stream.Write(Greeting);

            // Whatever is said from here on has no answer.
            stream.CopyTo(Stream.Null);
            return;
        }

        stream.Write(Hello());
        Take(stream, 4);
        while (Negotiate(stream)) { }

        for (int count = 1; ; count++)
        {
            FakeNbdRequest request = TakeRequest(stream);
            if (request.Command == NbdCommand.Disconnect || (DropEvery > 0 && count % DropEvery == 0))
            {
                return;
            }

            stream.Write(Answer?.Invoke(request) ?? Do(request));
        }
    }

    private bool Negotiate(NetworkStream stream)
    {
        byte[] header = Take(stream, 16);
        uint option = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8));
        byte[] data = Take(stream, BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(12)));
        switch (option)
        {
            case NbdProtocol.OptionStructuredReply when IsStructured:
                stream.Write(OptionReply(option, NbdProtocol.ReplyAck));
                return true;
            case NbdProtocol.OptionSetMetaContext:
                byte[] context = [0, 0, 0, 7, .. Encoding.ASCII.GetBytes(NbdProtocol.AllocationContext)];
                stream.Write(OptionReply(option, NbdProtocol.ReplyMetaContext, context));
                stream.Write(OptionReply(option, NbdProtocol.ReplyAck));
                return true;
            case NbdProtocol.OptionGo:
                Assert.Equal("disk", Encoding.ASCII.GetString(data.AsSpan(4, 4)));
                stream.Write(OptionReply(option, NbdProtocol.ReplyInfo, ExportInfo((ulong)Disk.Length, (ushort)Flags)));
                if (Blocks is { } blocks)
                {
                    byte[] info = BlockInfo(blocks.Min, blocks.Preferred, blocks.Max);
                    stream.Write(OptionReply(option, NbdProtocol.ReplyInfo, info));
                }

                stream.Write(OptionReply(option, NbdProtocol.ReplyAck));
                return false;
            default:
                stream.Write(OptionReply(option, NbdProtocol.ReplyUnsupported));
                return true;
        }
    }

    private FakeNbdRequest TakeRequest(NetworkStream stream)
    {
        byte[] bytes = Take(stream, NbdProtocol.RequestBytes);
        var command = (NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(6));
        int length = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(24));
        lock (Requests)
        {
            Requests[command] = Requests.GetValueOrDefault(command) + 1;
        }

        return new(
            command,
            BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(4)),
            BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(8)),
            BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(16)),
            length,
            command == NbdCommand.Write ? Take(stream, length) : []
        );
    }

    private byte[] Do(FakeNbdRequest request)
    {
        int offset = (int)request.OffsetBytes;
        switch (request.Command)
        {
            case NbdCommand.Read when IsStructured:
                return ReadInPieces(request);
            case NbdCommand.Read:
                return Simple(request.Cookie, 0, Disk.AsSpan(offset, request.LengthBytes));
            case NbdCommand.Write:
                request.Payload.CopyTo(Disk, offset);
                break;
            case NbdCommand.WriteZeroes:
                Disk.AsSpan(offset, request.LengthBytes).Clear();
                break;
            case NbdCommand.BlockStatus:
                return Status(request);
            default:
                break;
        }

        return Simple(request.Cookie, 0);
    }

    private byte[] ReadInPieces(FakeNbdRequest request)
    {
        List<byte> bytes = [];
        int piece = Math.Max(1, request.LengthBytes / PiecesOfReads);
        for (int end = request.LengthBytes; end > 0; end = (end - 1) / piece * piece)
        {
            int start = (end - 1) / piece * piece;
            int offset = (int)request.OffsetBytes + start;
            ReadOnlySpan<byte> data = Disk.AsSpan(offset, end - start);
            if (data.ContainsAnyExcept((byte)0))
            {
                bytes.AddRange(Data(request.Cookie, isLast: start == 0, (ulong)offset, data));
            }
            else
            {
                byte[] hole = new byte[12];
                BinaryPrimitives.WriteUInt64BigEndian(hole, (ulong)offset);
                BinaryPrimitives.WriteInt32BigEndian(hole.AsSpan(8), end - start);
                bytes.AddRange(Chunk(request.Cookie, NbdProtocol.ChunkHole, isLast: start == 0, hole));
            }
        }

        return [.. bytes];
    }

    private byte[] Status(FakeNbdRequest request)
    {
        int end = (int)request.OffsetBytes;
        bool isZero = Disk[end] == 0;
        while (end < request.OffsetBytes + request.LengthBytes && Disk[end] == 0 == isZero)
        {
            end++;
        }

        byte[] payload = new byte[12];
        BinaryPrimitives.WriteUInt32BigEndian(payload, 7);
        BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan(4), (uint)(end - request.OffsetBytes));
        uint flags = isZero ? NbdProtocol.StatusHole | NbdProtocol.StatusZero : 0;
        BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan(8), flags);
        return Chunk(request.Cookie, NbdProtocol.ChunkStatus, isLast: true, payload);
    }

    private static byte[] Take(NetworkStream stream, int count)
    {
        byte[] bytes = new byte[count];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
