using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Kicks, calls and errors as messages.</summary>
public sealed class InBandTests : IDisposable
{
    private const uint Reply = 1 | 4;

    private readonly HomeUnderTest _home = new(new ProbeDevice());
    private readonly FrontEnd _frontEnd;
    private readonly FrontEnd _backEndSide;
    private readonly GuestRam _ram = new();
    private readonly TestRing _ring;

    public InBandTests()
    {
        _frontEnd = _home.Negotiate(with: 1ul << ProtocolFeature.InBandNotifications);
        _backEndSide = _frontEnd.GiveBackEndSocket();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        _ring = new(_ram, 1, 16, FeatureSet.Of(CoreFeature.Version1));
        VringState state = new() { Index = 1, Number = 16 };
        _frontEnd.Send(FrontEndRequest.SetRingSize, state);
        _frontEnd.Send(FrontEndRequest.SetRingAddress, GuestRam.Address(1));
        _ring.Enable(_frontEnd, 1);
    }

    public void Dispose()
    {
        _ring.Dispose();
        _backEndSide.Dispose();
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Kick_AsAMessage_StartsTheRingAndLetsItLook()
    {
        _ring.Add("one");
        Kick();
        Assert.Equal("one", _ring.Take());
        _ring.Add("two");
        Kick();
        Assert.Equal("two", _ring.Take());
    }

    [Fact]
    public void Call_AsAMessage_ComesOneAtATime()
    {
        _ring.Add("one");
        Kick();
        _ring.Take();
        ExpectCall();
        _ring.Add("two");
        Kick();
        _ring.Take();
        _frontEnd.Settle();

        // The second waits until the first is answered.
        Answer(BackEndRequest.RingCall);
        ExpectCall();
        Answer(BackEndRequest.RingCall);
        _frontEnd.Settle();
        Assert.False(_backEndSide.HasMessage);
    }

    [Fact]
    public void Call_DescriptorGiven_IsPreferred()
    {
        _frontEnd.Send(FrontEndRequest.SetRingCall, 1ul, _ring.Call.Handle);
        _ring.Add("one");
        Kick();
        _ring.Take();

        Assert.True(SpinWait.SpinUntil(_ring.Call.TryDrain, FrontEnd.Patience));
        _frontEnd.Settle();
        Assert.False(_backEndSide.HasMessage);
    }

    [Fact]
    public void Call_ToldThatThereIsNone_SendsNoMessage()
    {
        _frontEnd.Send(FrontEndRequest.SetRingCall, 0x101ul);
        _ring.Add("one");
        Kick();
        _ring.Take();

        _frontEnd.Settle();
        Assert.False(_backEndSide.HasMessage);
    }

    [Fact]
    public void Kick_DescriptorGivenLater_IsPreferred()
    {
        Kick();
        _frontEnd.Send(FrontEndRequest.SetRingKick, 1ul, _ring.Kick.Handle);
        _frontEnd.Settle();

        _ring.Add("by descriptor");
        _ring.Kick.Signal();

        Assert.Equal("by descriptor", _ring.Take());
    }

    [Fact]
    public void Error_AsAMessage_NamesTheRing()
    {
        // An index that no driver can have reached: more is available than the ring has entries.
        Assert.True(_ram.Memory.TryWrite(GuestRam.Areas(1, _ring.Size).Driver + SplitRing.IndexOffset, [0xff, 0x7f]));

        Kick();

        (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
        Assert.Equal(BackEndRequest.RingError, request);
        Assert.Equal(1u, Wire.Read<VringState>(payload).Index);
    }

    [Theory]
    [InlineData(1ul << ProtocolFeature.BackEndRequests)]
    [InlineData(1ul << ProtocolFeature.ReplyAck)]
    public void Negotiated_WithoutWhatItNeeds_EndsTheConnection(ulong missing)
    {
        ulong features = _frontEnd.ProtocolFeatures & ~missing;

        _frontEnd.Send(FrontEndRequest.SetProtocolFeatures, features);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("protocol feature 14 was accepted without feature");
    }

    private void Kick() => _frontEnd.Send(FrontEndRequest.RingKick, new VringState { Index = 1 });

    private void ExpectCall()
    {
        (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
        Assert.Equal(BackEndRequest.RingCall, request);
        Assert.Equal(1u, Wire.Read<VringState>(payload).Index);
    }

    private void Answer(BackEndRequest request)
    {
        ulong good = 0;
        _backEndSide.SendRaw((uint)request, Reply, 8, Wire.Bytes(ref good));
    }
}
