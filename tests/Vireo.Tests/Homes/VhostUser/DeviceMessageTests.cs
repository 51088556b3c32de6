using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Features, configuration space, status, reset.</summary>
public sealed class DeviceMessageTests : IDisposable
{
    private const ulong ProtocolFeaturesBit = 1ul << 30;

    private readonly ProbeDevice _device = new();
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public DeviceMessageTests()
    {
        _home = new(_device);
        _frontEnd = _home.Negotiate();
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
    }

    [Fact]
    [Clause("core.dev.006", "core.dev.025", "core.dev.031")]
    public void Features_OnOffer_AreTheDevicesAndTheRings()
    {
        FeatureSet offered = new(_frontEnd.OfferedFeatures);

        Assert.True(offered.Contains(ProbeDevice.Feature));
        Assert.True(offered.Contains(CoreFeature.Version1));
        Assert.True(offered.Contains(CoreFeature.EventIndex));
        Assert.True(offered.Contains(CoreFeature.IndirectDescriptors));
        Assert.True(offered.Contains(CoreFeature.AccessPlatform));
        Assert.NotEqual(0ul, offered.Low & ProtocolFeaturesBit);
        Assert.All(
            [CoreFeature.SrIov, CoreFeature.NotificationData, CoreFeature.AdminQueue, 44, 50, 63],
            bit => Assert.False(offered.Contains(bit), $"bit {bit} is not this home's")
        );
    }

    [Fact]
    public void SetFeatures_Accepted_ReachTheDeviceWithoutTransportBits()
    {
        _frontEnd.Accept(ProbeDevice.Feature);
        _frontEnd.Settle();

        Assert.Equal(FeatureSet.Of(ProbeDevice.Feature, CoreFeature.Version1), _device.LastAccepted);
    }

    [Fact]
    public void SetFeatures_NeverOffered_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetFeatures, 1ul << 20);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("SET_FEATURES: features {20} were accepted but never offered");
    }

    [Fact]
    public void SetFeatures_DeviceRefuses_IsAnsweredWithAnError()
    {
        ulong answer = _frontEnd.SendAcknowledged(
            FrontEndRequest.SetFeatures,
            ProtocolFeaturesBit | 1ul << ProbeDevice.UnusableFeature
        );

        Assert.NotEqual(0ul, answer);
        _frontEnd.Settle();
    }

    [Fact]
    public void SetFeatures_DeviceRefusesAndNobodyAsks_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetFeatures, ProtocolFeaturesBit | 1ul << ProbeDevice.UnusableFeature);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("the probe does not work with feature 4");
    }

    [Fact]
    public void SetFeatures_ChangedWhileARingRuns_EndsTheConnection()
    {
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);

        _frontEnd.Accept(ProbeDevice.Feature);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("cannot change while a ring runs");
    }

    [Fact]
    public void SetFeatures_SameAgainWhileARingRuns_GoesOn()
    {
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);

        _frontEnd.Accept();

        ring.Echo("as before");
    }

    [Theory]
    [InlineData(ProtocolFeature.HostNotifier)]
    [InlineData(ProtocolFeature.XenMap)]
    public void SetProtocolFeatures_NeverOffered_EndsTheConnection(int feature)
    {
        _frontEnd.Send(FrontEndRequest.SetProtocolFeatures, 1ul << feature);

        _frontEnd.ExpectClosed();
        _home.ExpectLog($"protocol features {{{feature}}} were accepted but never offered");
    }

    [Theory]
    [InlineData(ProtocolFeature.InflightDescriptor)]
    [InlineData(ProtocolFeature.GetRingBaseInflight)]
    public void SetProtocolFeatures_SkipDrainWithoutWhatItNeeds_EndsTheConnection(int missing)
    {
        ulong features = _frontEnd.ProtocolFeatures | 1ul << ProtocolFeature.GetRingBaseSkipDrain;

        _frontEnd.Send(FrontEndRequest.SetProtocolFeatures, features & ~(1ul << missing));

        _frontEnd.ExpectClosed();
        _home.ExpectLog($"protocol feature 23 was accepted without feature {missing}, which it needs");
    }

    [Fact]
    public void Acknowledgement_NotNegotiated_IsNotSent()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate(without: 1ul << ProtocolFeature.ReplyAck);

        frontEnd.SendRaw((uint)FrontEndRequest.SetOwner, 1 | 8, 0, []);

        // The next answer is that of the next question.
        frontEnd.Settle();
    }

    [Theory]
    [InlineData(0, 24)]
    [InlineData(8, 4)]
    [InlineData(20, 60)]
    [InlineData(0, 256)]
    [InlineData(255, 1)]
    public void GetConfig_RangeOfTheSpace_EchoesTheRangeAndReadsZerosPastTheEnd(uint offset, uint length)
    {
        ConfigHeader header = new() { Offset = offset, LengthBytes = length };

        byte[] answer = AskConfig(header, (int)length);

        Assert.Equal(12 + (int)length, answer.Length);
        Assert.Equal(header, Wire.Read<ConfigHeader>(answer));
        for (uint index = 0; index < length; index++)
        {
            uint place = offset + index;
            Assert.Equal(place < 24 ? (byte)place : 0, answer[12 + index]);
        }
    }

    [Fact]
    public void GetConfig_HeaderOnly_IsAnswered()
    {
        byte[] answer = AskConfig(new() { Offset = 4, LengthBytes = 2 }, payloadBytes: 0);

        Assert.Equal([4, 5], answer[12..]);
    }

    [Theory]
    [InlineData(0u, 0u, 0)]
    [InlineData(250u, 7u, 7)]
    [InlineData(uint.MaxValue, 2u, 2)]
    [InlineData(0u, 8u, 7)]
    public void GetConfig_NoneOrPastTheLimit_EndsTheConnection(uint offset, uint length, int payloadBytes)
    {
        SendConfig(FrontEndRequest.GetConfig, new() { Offset = offset, LengthBytes = length }, new byte[payloadBytes]);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("GET_CONFIG: ");
    }

    [Fact]
    public void SetConfig_Bytes_ReachTheDevice()
    {
        SendConfig(FrontEndRequest.SetConfig, new() { Offset = 2, LengthBytes = 3 }, [7, 8, 9]);

        byte[] answer = AskConfig(new() { LengthBytes = 6 }, payloadBytes: 6);

        Assert.Equal([0, 1, 7, 8, 9, 5], answer[12..]);
    }

    [Fact]
    public void SetConfig_UnknownFlags_EndsTheConnection()
    {
        SendConfig(FrontEndRequest.SetConfig, new() { LengthBytes = 1, Flags = 2 }, [0]);

        _frontEnd.ExpectClosed();
    }

    [Fact]
    public void ConfigChange_BeforeARingRuns_IsToldWhenOneDoes()
    {
        using FrontEnd backEndSide = _frontEnd.GiveBackEndSocket();
        _device.ChangeConfig();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
        ring.Configure(_frontEnd);
        _frontEnd.Settle();
        Assert.False(backEndSide.HasMessage);

        ring.Start(_frontEnd);

        Assert.Equal(BackEndRequest.ConfigChange, backEndSide.ReceiveRequest().Request);
        _frontEnd.Settle();
        Assert.False(backEndSide.HasMessage);
    }

    [Fact]
    public void ConfigChange_WhileARingRuns_IsToldAtOnce()
    {
        using FrontEnd backEndSide = _frontEnd.GiveBackEndSocket();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        _frontEnd.Settle();

        _device.ChangeConfig();

        (BackEndRequest request, byte[] payload) = backEndSide.ReceiveRequest();
        Assert.Equal(BackEndRequest.ConfigChange, request);
        Assert.Empty(payload);
    }

    [Fact]
    public void ConfigChange_AfterTheRingsStopped_IsHeld()
    {
        using FrontEnd backEndSide = _frontEnd.GiveBackEndSocket();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Stop(_frontEnd);

        _device.ChangeConfig();

        _frontEnd.Settle();
        Assert.False(backEndSide.HasMessage);
    }

    [Fact]
    public void BackEndSocket_ClosedByThePeer_IsDoneWithout()
    {
        FrontEnd backEndSide = _frontEnd.GiveBackEndSocket();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        backEndSide.Dispose();

        _device.ChangeConfig();

        ring.Echo("all the same");
    }

    [Fact]
    public void BackEndSocket_AnswerThatNobodyAskedFor_ClosesThatSocketOnly()
    {
        using FrontEnd backEndSide = _frontEnd.GiveBackEndSocket();

        backEndSide.SendRaw((uint)BackEndRequest.ConfigChange, 1 | 4, 8, new byte[8]);

        backEndSide.ExpectClosed();
        _frontEnd.Settle();
    }

    [Fact]
    public void BackEndSocket_ThatIsNoSocket_EndsTheConnection()
    {
        _frontEnd.SendBytes(FrontEndRequest.SetBackEndSocket, [], _ram.File.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("SET_BACKEND_REQ_FD: ");
    }

    [Fact]
    public void Status_Written_IsReadBack()
    {
        const ulong Status = (ulong)(DeviceStatus.Acknowledge | DeviceStatus.Driver);

        _frontEnd.Send(FrontEndRequest.SetStatus, Status);

        Assert.Equal(Status, _frontEnd.Ask(FrontEndRequest.GetStatus));
    }

    [Fact]
    public void Status_MoreThanAByte_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetStatus, 0x100ul);

        _frontEnd.ExpectClosed();
    }

    [Theory]
    [InlineData((uint)FrontEndRequest.ResetDevice)]
    [InlineData((uint)FrontEndRequest.SetStatus)]
    public void Reset_RunningRing_StopsAndCanBeSetUpAnew(uint request)
    {
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using (TestRing ring = _ram.Start(_frontEnd))
        {
            ring.Echo("before");
        }

        _frontEnd.SendBytes((FrontEndRequest)request, new byte[request == (uint)FrontEndRequest.SetStatus ? 8 : 0]);

        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.GetStatus));
        _frontEnd.Accept();
        using TestRing again = _ram.Start(_frontEnd);
        again.Echo("after");
    }

    private void SendConfig(FrontEndRequest request, ConfigHeader header, byte[] payload) =>
        _frontEnd.SendBytes(request, [.. Wire.Bytes(ref header), .. payload]);

    private byte[] AskConfig(ConfigHeader header, int payloadBytes)
    {
        SendConfig(FrontEndRequest.GetConfig, header, new byte[payloadBytes]);
        return _frontEnd.Receive(FrontEndRequest.GetConfig);
    }
}
