using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Nbd;

/// <summary>A connected stream to a server, plain or encrypted, read through a buffer.</summary>
/// <remarks>One thread reads and one writes. Any thread may break it, which ends what they do with an <see cref="IOException"/>.</remarks>
internal sealed class NbdWire : IDisposable
{
    private const int BufferBytes = 256 * 1024;
    private const int IdleSecondsToProbe = 30;
    private const int SecondsBetweenProbes = 10;
    private const int ProbesMax = 3;
    private const int LastWordsMs = 1000;

    private readonly Socket _socket;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferBytes);
    private Stream _stream;

    /// <summary>The bytes of the buffer that were not taken yet: first, and behind the last.</summary>
    private int _first;
    private int _end;

    private NbdWire(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Connects.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="made">Told of the socket before it waits, so that somebody may close it.</param>
    /// <param name="timeout">How long each step up to <see cref="EndGreeting"/> may take, but for the connection itself.</param>
    /// <exception cref="IOException">Nobody is there.</exception>
    public static NbdWire Connect(NbdAddress address, Action<Socket> made, TimeSpan timeout)
    {
        bool isUnix = address.SocketPath is not null;
        Socket socket = isUnix
            ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            made(socket);
            if (isUnix)
            {
                socket.Connect(new UnixDomainSocketEndPoint(address.SocketPath!));
            }
            else
            {
                socket.Connect(address.Host, address.Port);
                KeepAlive(socket);
            }

            socket.ReceiveTimeout = socket.SendTimeout = (int)timeout.TotalMilliseconds;
            return new(socket);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or ArgumentException)
        {
            socket.Dispose();
            throw new ImageException($"'{address.Text}' cannot be reached: {exception.Message}", exception);
        }
    }

    /// <summary>The rest of the conversation is encrypted.</summary>
    /// <exception cref="ImageException">The server is not who it should be, or does not like us.</exception>
    public void StartTls(NbdAddress address)
    {
        if (_first != _end)
        {
            // Somebody on the way has put words into the server's mouth.
            throw new ImageException($"'{address.Text}' sent bytes in the clear behind its consent to TLS");
        }

        SslStream encrypted = new(_stream, leaveInnerStreamOpen: false);
        _stream = encrypted;
        try
        {
            encrypted.AuthenticateAsClient(TlsOptions(address));
        }
        catch (Exception exception)
            when (exception is AuthenticationException or IOException or InvalidOperationException)
        {
            throw new ImageException(
                $"'{address.Text}': TLS with the server failed: {(exception.InnerException ?? exception).Message}",
                exception
            );
        }
    }

    /// <summary>From here on the server may take its time.</summary>
    public void EndGreeting() => _socket.ReceiveTimeout = _socket.SendTimeout = 0;

    /// <summary>Takes bytes that are to be looked at; good until the next call.</summary>
    /// <param name="count">How many, at most 64 KiB.</param>
    /// <exception cref="IOException">The connection is gone.</exception>
    public ReadOnlySpan<byte> Take(int count)
    {
        if (_end - _first < count)
        {
            Fill(count);
        }

        ReadOnlySpan<byte> taken = _buffer.AsSpan(_first, count);
        _first += count;
        return taken;
    }

    /// <summary>Takes bytes to where they belong.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public void TakeTo(Span<byte> destination)
    {
        int buffered = Math.Min(_end - _first, destination.Length);
        _buffer.AsSpan(_first, buffered).CopyTo(destination);
        _first += buffered;
        destination = destination[buffered..];
        while (destination.Length >= BufferBytes / 4)
        {
            int count = Read(destination);
            destination = destination[count..];
        }

        while (!destination.IsEmpty)
        {
            ReadOnlySpan<byte> piece = Take(destination.Length);
            piece.CopyTo(destination);
            destination = destination[piece.Length..];
        }
    }

    /// <summary>Sends.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public void Send(ReadOnlySpan<byte> bytes) => _stream.Write(bytes);

    /// <summary>Sends what need not arrive: a server that does not take it is not waited for.</summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public void SendLast(ReadOnlySpan<byte> bytes)
    {
        _socket.SendTimeout = LastWordsMs;
        Send(bytes);
    }

    /// <summary>Takes a number.</summary>
    public ushort TakeU16() => BinaryPrimitives.ReadUInt16BigEndian(Take(sizeof(ushort)));

    /// <summary>Takes a number.</summary>
    public uint TakeU32() => BinaryPrimitives.ReadUInt32BigEndian(Take(sizeof(uint)));

    /// <summary>Takes a number.</summary>
    public ulong TakeU64() => BinaryPrimitives.ReadUInt64BigEndian(Take(sizeof(ulong)));

    /// <summary>Ends the connection under whoever uses it. Any thread.</summary>
    public void Break()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <summary>Closes it. Nobody may use it any more.</summary>
    public void Dispose()
    {
        Break();
        _stream.Dispose();
        _socket.Dispose();
    }

    private void Fill(int count)
    {
        _buffer.AsSpan(_first, _end - _first).CopyTo(_buffer);
        (_first, _end) = (0, _end - _first);
        while (_end < count)
        {
            _end += Read(_buffer.AsSpan(_end));
        }
    }

    private int Read(Span<byte> destination)
    {
        int count = _stream.Read(destination);
        return count > 0 ? count : throw new EndOfStreamException("the server has closed the connection");
    }

    /// <summary>A host that is gone without a word is missed after about a minute.</summary>
    private static void KeepAlive(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, IdleSecondsToProbe);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, SecondsBetweenProbes);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, ProbesMax);
    }

    private static SslClientAuthenticationOptions TlsOptions(NbdAddress address)
    {
        SslClientAuthenticationOptions options = new()
        {
            TargetHost = address.TlsHostName ?? (address.Host.Length > 0 ? address.Host : "localhost"),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (!address.VerifiesPeer)
        {
            // Asked for in so many words.
#pragma warning disable CA5359
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        if (address.TlsCertificates is { } folder)
        {
            AddCertificates(options, address, folder);
        }

        return options;
    }

    private static void AddCertificates(SslClientAuthenticationOptions options, NbdAddress address, string folder)
    {
        string authority = Path.Combine(folder, "ca-cert.pem");
        string certificate = Path.Combine(folder, "client-cert.pem");
        string key = Path.Combine(folder, "client-key.pem");
        try
        {
            if (address.VerifiesPeer)
            {
                X509ChainPolicy policy = new()
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                };
                policy.CustomTrustStore.ImportFromPemFile(authority);
                options.CertificateChainPolicy = policy;
            }

            if (File.Exists(certificate))
            {
                options.ClientCertificates = [X509Certificate2.CreateFromPemFile(certificate, key)];
            }
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ImageException(
                $"'{address.Text}': the certificates in '{folder}' cannot be used: {exception.Message}",
                exception
            );
        }
    }
}
