using System.Globalization;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Nbd;

/// <summary>Where an NBD export is: what a URI says.</summary>
/// <remarks>
/// <c>nbd://HOST[:PORT]/EXPORT</c>, <c>nbd+unix:///EXPORT?socket=PATH</c>, and <c>nbds</c> in place of <c>nbd</c> for TLS, with
/// <c>tls-certificates=FOLDER</c>, <c>tls-hostname=NAME</c> and <c>tls-verify-peer=false</c> as libnbd spells them.
/// </remarks>
public sealed record NbdAddress
{
    private const int UsualPort = 10809;

    private NbdAddress(string text) => Text = text;

    /// <summary>The URI as it was written.</summary>
    public string Text { get; }

    /// <summary>Path of the UNIX socket; null for TCP.</summary>
    public string? SocketPath { get; private init; }

    /// <summary>Name or address of the server's host; empty for a UNIX socket.</summary>
    public string Host { get; private init; } = "";

    /// <summary>TCP port.</summary>
    public int Port { get; private init; } = UsualPort;

    /// <summary>Name of the export; empty for the server's usual one.</summary>
    public string Export { get; private init; } = "";

    /// <summary>Whether the connection is encrypted.</summary>
    public bool HasTls { get; private init; }

    /// <summary>Folder with <c>ca-cert.pem</c> and, where the server wants to know who we are, <c>client-cert.pem</c> and <c>client-key.pem</c>.</summary>
    public string? TlsCertificates { get; private init; }

    /// <summary>The name that the server's certificate has to have; null for that of the host.</summary>
    public string? TlsHostName { get; private init; }

    /// <summary>Whether the server's certificate is checked.</summary>
    public bool VerifiesPeer { get; private init; } = true;

    /// <summary>Whether a name is that of an NBD export and not of a file.</summary>
    public static bool IsAddress(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (string scheme in (ReadOnlySpan<string>)["nbd:", "nbds:", "nbd+unix:", "nbds+unix:"])
        {
            if (name.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads a URI.</summary>
    /// <exception cref="ImageException">It is none, or asks for what there is not.</exception>
    public static NbdAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.Contains("://", StringComparison.Ordinal) || !Uri.TryCreate(text, UriKind.Absolute, out Uri? uri))
        {
            throw new ImageException(
                $"'{text}' is not an NBD URI; write nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH"
            );
        }

        bool isUnix = uri.Scheme.EndsWith("+unix", StringComparison.Ordinal);
        NbdAddress address = new(text)
        {
            HasTls = uri.Scheme.StartsWith("nbds", StringComparison.Ordinal),
            Export = Unescape(uri.AbsolutePath.StartsWith('/') ? uri.AbsolutePath[1..] : uri.AbsolutePath),
        };
        address = ReadQuery(address, uri.Query);
        if (Encoding.UTF8.GetByteCount(address.Export) > NbdProtocol.NameBytesMax)
        {
            throw new ImageException($"'{text}' names an export with more than {NbdProtocol.NameBytesMax} bytes");
        }

        if (isUnix)
        {
            return address.SocketPath is { Length: > 0 }
                ? address
                : throw new ImageException($"'{text}' does not say which socket; add ?socket=PATH");
        }

        if (address.SocketPath is not null || uri.Host.Length == 0)
        {
            throw new ImageException(
                $"'{text}': {(uri.Host.Length == 0 ? "the host is missing" : "socket= goes with nbd+unix: only")}"
            );
        }

        return address with
        {
            Host = uri.DnsSafeHost,
            Port = uri.Port < 0 ? UsualPort : uri.Port,
        };
    }

    private static string Unescape(string text) => Uri.UnescapeDataString(text);

    private static NbdAddress ReadQuery(NbdAddress address, string query)
    {
        foreach (string part in query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? part : part[..equals];
            string value = equals < 0 ? "" : Unescape(part[(equals + 1)..]);
            address = name switch
            {
                "socket" => address with { SocketPath = value },
                "tls-certificates" => address with { TlsCertificates = value },
                "tls-hostname" => address with { TlsHostName = value },
                "tls-verify-peer" => address with { VerifiesPeer = ReadBoolean(address.Text, value) },
                _ => throw new ImageException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"'{address.Text}' has '{name}', which is not supported; known are socket, tls-certificates, tls-hostname and tls-verify-peer"
                    )
                ),
            };
        }

        return address;
    }

    private static bool ReadBoolean(string text, string value) =>
        value switch
        {
            "true" or "1" => true,
            "false" or "0" => false,
            _ => throw new ImageException($"'{text}' says tls-verify-peer={value}; it is true or false"),
        };
}
