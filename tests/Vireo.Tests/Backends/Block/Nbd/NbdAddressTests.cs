using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Nbd;

namespace Vireo.Tests.Backends.Block.Nbd;

public sealed class NbdAddressTests
{
    [Theory]
    [InlineData("nbd://host", "host", 10809, "", null, false)]
    [InlineData("nbd://host:10810/disk", "host", 10810, "disk", null, false)]
    [InlineData("nbds://[::1]:99/a/b%20c", "::1", 99, "a/b c", null, true)]
    [InlineData("nbd+unix:///?socket=/run/nbd.sock", "", 10809, "", "/run/nbd.sock", false)]
    [InlineData("nbds+unix:///disk?socket=/run/a%20b", "", 10809, "disk", "/run/a b", true)]
    public void Parse_Uri_IsTakenApart(string text, string host, int port, string export, string? socket, bool hasTls)
    {
        var address = NbdAddress.Parse(text);

        Assert.Equal((host, port, export), (address.Host, address.Port, address.Export));
        Assert.Equal((socket, hasTls), (address.SocketPath, address.HasTls));
    }

    [Fact]
    public void Parse_TlsOptions_AreKept()
    {
        var address = NbdAddress.Parse("nbds://h/e?tls-certificates=/etc/pki&tls-hostname=other&tls-verify-peer=false");

        Assert.Equal(
            ("/etc/pki", "other", false),
            (address.TlsCertificates, address.TlsHostName, address.VerifiesPeer)
        );
    }

    [Theory]
    [InlineData("nbd:host:10809", "is not an NBD URI")]
    [InlineData("nbd+unix:///disk", "?socket=PATH")]
    [InlineData("nbd://host/?socket=/run/x", "nbd+unix")]
    [InlineData("nbd:///disk", "the host is missing")]
    [InlineData("nbd://host/?tls-psk-file=/x", "tls-psk-file")]
    [InlineData("nbds://host/?tls-verify-peer=maybe", "maybe")]
    public void Parse_WhatIsNone_SaysWhy(string text, string said)
    {
        ImageException exception = Assert.Throws<ImageException>(() => NbdAddress.Parse(text));

        Assert.Contains(said, exception.Message, StringComparison.Ordinal);
        Assert.Contains(text, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nbd://x", true)]
    [InlineData("nbd+unix:///?socket=x", true)]
    [InlineData("disk.nbd", false)]
    [InlineData("./nbd:x", false)]
    public void IsAddress_Name_IsUriOrFile(string name, bool isAddress) =>
        Assert.Equal(isAddress, NbdAddress.IsAddress(name));
}
