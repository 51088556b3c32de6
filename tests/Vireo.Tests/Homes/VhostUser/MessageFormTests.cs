using Microsoft.Win32.SafeHandles;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>What every message has in common: wrong length, wrong descriptors, its feature not negotiated.</summary>
[Collection(DescriptorCountCollection.Name)]
public sealed class MessageFormTests
{
    private const uint Version = 1;

    public static TheoryData<string> AllNames => [.. MessageTable.All.Select(static kind => kind.Name)];

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Message_PayloadTooShort_EndsTheConnection(string name)
    {
        MessageKind kind = Find(name);
        if (kind.Form.PayloadMin > 0)
        {
            ExpectRefusal(kind, kind.Form.PayloadMin - 1, kind.Form.DescriptorsMin, "were expected");
        }
    }

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Message_PayloadTooLong_EndsTheConnection(string name)
    {
        MessageKind kind = Find(name);
        string expected = kind.Form.PayloadMax < Message.PayloadBytesMax ? "were expected" : "more than any message";
        ExpectRefusal(kind, kind.Form.PayloadMax + 1, kind.Form.DescriptorsMin, expected);
    }

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Message_TooFewDescriptors_EndsTheConnection(string name)
    {
        MessageKind kind = Find(name);
        if (kind.Form.DescriptorsMin > 0)
        {
            ExpectRefusal(kind, kind.Form.PayloadMin, kind.Form.DescriptorsMin - 1, "were expected");
        }
    }

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Message_TooManyDescriptors_EndsTheConnection(string name)
    {
        MessageKind kind = Find(name);
        // A ninth descriptor is more than any message may bring, and is refused before the message is known.
        string expected =
            kind.Form.DescriptorsMax < Message.DescriptorsMax ? "were expected" : "more than 8 descriptors";
        ExpectRefusal(kind, kind.Form.PayloadMin, kind.Form.DescriptorsMax + 1, expected);
    }

    [Theory]
    [MemberData(nameof(AllNames))]
    public void Message_FeatureNotNegotiated_EndsTheConnection(string name)
    {
        MessageKind kind = Find(name);
        if (kind.Feature != MessageKind.None && !kind.IsOfferEnough)
        {
            ExpectRefusal(
                kind,
                kind.Form.PayloadMin,
                kind.Form.DescriptorsMin,
                $"protocol feature {kind.Feature} was not negotiated",
                without: 1ul << kind.Feature
            );
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(46u)]
    [InlineData(17000u)]
    [InlineData(uint.MaxValue)]
    public void Message_Unknown_EndsTheConnection(uint request)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();

        frontEnd.SendRaw(request, Version, 0, []);

        frontEnd.ExpectClosed();
        home.ExpectLog($"message {request} is unknown");
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(Version | 4u)]
    [InlineData(Version | 0x10u)]
    public void Header_WrongFlags_EndsTheConnection(uint flags)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();

        frontEnd.SendRaw((uint)FrontEndRequest.GetFeatures, flags, 0, []);

        frontEnd.ExpectClosed();
        home.ExpectLog($"has flags {flags:x}, where a request of version 1 was expected");
    }

    [Theory]
    [InlineData(4097u)]
    [InlineData(uint.MaxValue)]
    public void Header_HugePayload_EndsTheConnectionAtOnce(uint payloadBytes)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();

        frontEnd.SendRaw((uint)FrontEndRequest.SetFeatures, Version, payloadBytes, []);

        frontEnd.ExpectClosed();
        home.ExpectLog("more than any message");
    }

    [Fact]
    public void Descriptors_InTheMiddleOfAMessage_EndTheConnection()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        using var kick = EventFd.Create();
        frontEnd.SendStream([(byte)FrontEndRequest.SetRingKick, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0]);

        frontEnd.SendStream([0, 0, 0, 0, 0, 0, 0, 0], kick.Handle);

        frontEnd.ExpectClosed();
        home.ExpectLog("in the middle of a message");
    }

    [Fact]
    public void Message_InSingleBytes_IsUnderstood()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        byte[] bytes = [(byte)FrontEndRequest.GetFeatures, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];

        foreach (byte one in bytes)
        {
            frontEnd.SendStream([one]);
        }

        Assert.Equal(8, frontEnd.Receive(FrontEndRequest.GetFeatures).Length);
    }

    [Fact]
    public void Messages_ManyAtOnce_AreAllAnswered()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        byte[] one = [(byte)FrontEndRequest.GetFeatures, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];

        frontEnd.SendStream([.. Enumerable.Repeat(one, 100).SelectMany(static bytes => bytes)]);

        for (int count = 0; count < 100; count++)
        {
            frontEnd.Receive(FrontEndRequest.GetFeatures);
        }
    }

    [Fact]
    public void Peer_NotReadingItsAnswers_IsDisconnected()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        byte[] one = [(byte)FrontEndRequest.GetFeatures, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        byte[] many = [.. Enumerable.Repeat(one, 1000).SelectMany(static bytes => bytes)];

        for (int round = 0; round < 100 && !home.Log.Holds("does not read its answers"); round++)
        {
            frontEnd.SendStream(many);
        }

        home.ExpectLog("does not read its answers");
    }

    private static MessageKind Find(string name) =>
        MessageTable.All.First(kind => string.Equals(kind.Name, name, StringComparison.Ordinal));

    /// <summary>Sends a message that must end the connection, and expects nothing to be left of it.</summary>
    private static void ExpectRefusal(
        MessageKind kind,
        int payloadBytes,
        int descriptorCount,
        string expected,
        ulong without = 0
    )
    {
        // What in-band notifications need cannot be left out beside them.
        ulong with = without == 0 ? 1ul << ProtocolFeature.InBandNotifications : 0;
        using HomeUnderTest home = new(new SpecialDevice());
        using (FrontEnd first = home.Negotiate())
        {
            first.Settle();
        }

        home.ExpectLog("has closed the connection");
        int before = DescriptorCountCollection.Count();
        using (FrontEnd frontEnd = home.Negotiate(without, with))
        {
            using var file = EventFd.Create();
            SafeFileHandle[] descriptors = [.. Enumerable.Repeat(file.Handle, descriptorCount)];

            frontEnd.SendRaw((uint)kind.Request, Version, (uint)payloadBytes, new byte[payloadBytes], descriptors);

            frontEnd.ExpectClosed();
        }

        home.ExpectLog(expected);
        Assert.True(
            SpinWait.SpinUntil(() => DescriptorCountCollection.Count() <= before, FrontEnd.Patience),
            "descriptors were left open"
        );
        using FrontEnd next = home.Negotiate();
        next.Settle();
    }
}
