using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Translated memory: misses, updates, invalidations.</summary>
public sealed class IotlbMessageTests : IDisposable
{
    /// <summary>The driver's addresses are the guest's plus this.</summary>
    private const ulong Shift = 0x10_0000_0000;

    private const byte ReadWrite = 3;

    private readonly HomeUnderTest _home = new(new ProbeDevice());
    private readonly FrontEnd _frontEnd;
    private readonly FrontEnd _backEndSide;
    private readonly GuestRam _ram = new();
    private readonly TestRing _ring;

    public IotlbMessageTests()
    {
        _frontEnd = _home.Negotiate();
        _backEndSide = _frontEnd.GiveBackEndSocket();
        _frontEnd.Accept(CoreFeature.AccessPlatform);
        _ram.Share(_frontEnd);
        _ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
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
    public void Ring_WithoutTranslation_IsAskedForAndStarts()
    {
        Start();

        IotlbMessage miss = ReceiveMiss();
        Assert.Equal(GuestRam.GuestBase + Shift, miss.Address);
        Map(0, 0x10_0000);

        AddTranslated("translated");
        Map(GuestRam.BuffersAt, 0x10_0000);
        Assert.Equal("translated", _ring.Take());
    }

    [Fact]
    public void Buffers_WithoutTranslation_AreAskedForAndTheChainGoesOn()
    {
        Map(0, 0x10_0000);
        Start();
        AddTranslated("waits for its buffers");

        IotlbMessage miss = ReceiveMiss();

        Assert.Equal(GuestRam.GuestBase + GuestRam.BuffersAt + Shift, miss.Address);
        Map(GuestRam.BuffersAt, 0x1000);
        Assert.Equal("waits for its buffers", _ring.Take());
    }

    [Fact]
    public void Invalidated_RingAndBuffers_AreAskedForAgain()
    {
        Map(0, 0x20_0000);
        Start();
        AddTranslated("one");
        Assert.Equal("one", _ring.Take());

        Assert.Equal(0ul, Send(IotlbMessageType.Invalidate, 0, 0x20_0000));

        Assert.Equal(GuestRam.GuestBase + Shift, ReceiveMiss().Address);
        AddTranslated("two");
        Map(0, 0x20_0000);
        Assert.Equal("two", _ring.Take());
    }

    [Fact]
    public void Update_ReadOnly_DoesNotAllowWriting()
    {
        Map(0, 0x10_0000);
        Start();
        Assert.Equal(0ul, Send(IotlbMessageType.Update, GuestRam.BuffersAt, 0x1000, permissions: 1));
        AddTranslated("wants to be written");

        IotlbMessage miss = ReceiveMiss();

        Assert.Equal((byte)MemoryAccess.Write, miss.Permissions);
        Map(GuestRam.BuffersAt, 0x1000);
        Assert.Equal("wants to be written", _ring.Take());
    }

    [Theory]
    [InlineData(0x100_0000ul, 0x1000ul)]
    [InlineData(0x3f_f000ul, 0x2000ul)]
    [InlineData(0ul, 0ul)]
    public void Update_OutsideTheRegions_IsAnsweredWithAnError(ulong offset, ulong length) =>
        Assert.NotEqual(0ul, Send(IotlbMessageType.Update, offset, length));

    [Fact]
    public void Update_WrappingAddress_IsAnsweredWithAnError()
    {
        IotlbMessage message = new()
        {
            Address = ulong.MaxValue - 0xfff,
            LengthBytes = 0x2000,
            UserAddress = GuestRam.UserBase,
            Permissions = ReadWrite,
            Type = IotlbMessageType.Update,
        };

        _frontEnd.Send(FrontEndRequest.IotlbMessage, message);

        Assert.NotEqual(0ul, Wire.Read<ulong>(_frontEnd.Receive(FrontEndRequest.IotlbMessage)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    public void Message_OfAnotherType_EndsTheConnection(byte type)
    {
        _frontEnd.Send(FrontEndRequest.IotlbMessage, new IotlbMessage { Type = (IotlbMessageType)type });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("where 2 (update) or 3 (invalidate) was expected");
    }

    [Fact]
    public void Message_WithoutAccessPlatform_EndsTheConnection()
    {
        _frontEnd.Accept();

        _frontEnd.Send(FrontEndRequest.IotlbMessage, new IotlbMessage { Type = IotlbMessageType.Update });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("the driver did not accept ACCESS_PLATFORM");
    }

    private void Start()
    {
        _ring.Configure(_frontEnd);
        VringAddress address = GuestRam.Address(0);
        address.Descriptors = address.Descriptors - GuestRam.UserBase + GuestRam.GuestBase + Shift;
        address.Available = address.Available - GuestRam.UserBase + GuestRam.GuestBase + Shift;
        address.Used = address.Used - GuestRam.UserBase + GuestRam.GuestBase + Shift;
        _frontEnd.Send(FrontEndRequest.SetRingAddress, address);
        _ring.Start(_frontEnd);
    }

    private void AddTranslated(string text)
    {
        _ring.Add(text, Shift);
        _ring.Kick.Signal();
    }

    private void Map(ulong offset, ulong length) => Assert.Equal(0ul, Send(IotlbMessageType.Update, offset, length));

    private ulong Send(IotlbMessageType type, ulong offset, ulong length, byte permissions = ReadWrite)
    {
        IotlbMessage message = new()
        {
            Address = GuestRam.GuestBase + offset + Shift,
            LengthBytes = length,
            UserAddress = GuestRam.UserBase + offset,
            Permissions = permissions,
            Type = type,
        };
        _frontEnd.Send(FrontEndRequest.IotlbMessage, message);
        return Wire.Read<ulong>(_frontEnd.Receive(FrontEndRequest.IotlbMessage));
    }

    private IotlbMessage ReceiveMiss()
    {
        (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
        Assert.Equal(BackEndRequest.IotlbMessage, request);
        IotlbMessage miss = Wire.Read<IotlbMessage>(payload);
        Assert.Equal(IotlbMessageType.Miss, miss.Type);
        return miss;
    }
}
