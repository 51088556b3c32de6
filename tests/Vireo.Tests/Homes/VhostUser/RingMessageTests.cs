using Microsoft.Win32.SafeHandles;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Rings: when they run, where they go on, and what may change under them.</summary>
public sealed class RingMessageTests : IDisposable
{
    private const ulong NoDescriptor = 0x100;

    private readonly ProbeDevice _device = new();
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public RingMessageTests()
    {
        _home = new(_device);
        _frontEnd = _home.Negotiate();
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Start_RequestAlreadyThere_IsAnsweredWithoutAKick()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        ring.Add("was there before");

        ring.Start(_frontEnd);

        Assert.Equal("was there before", ring.Take());
    }

    [Fact]
    public void Start_NotEnabled_LeavesTheRingAloneUntilItIs()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, ring.Kick.Handle);
        ring.Add("waits");
        ring.Kick.Signal();
        _frontEnd.Settle();
        Assert.False(ring.Driver.TryTake(out _));

        ring.Enable(_frontEnd, 1);

        Assert.Equal("waits", ring.Take());
    }

    [Fact]
    public void Enable_BeforeTheKickIsSet_StartsAtTheKick()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        ring.Enable(_frontEnd, 1);
        ring.Add("in the other order");
        _frontEnd.Settle();
        Assert.False(ring.Driver.TryTake(out _));

        _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, ring.Kick.Handle);

        Assert.Equal("in the other order", ring.Take());
    }

    [Fact]
    public void SetFeatures_WithoutProtocolFeatures_EnablesTheRings()
    {
        using TestRing ring = NewRing();
        _frontEnd.Send(FrontEndRequest.SetFeatures, 1ul << CoreFeature.Version1);
        ring.Configure(_frontEnd);

        _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, ring.Kick.Handle);

        ring.Echo("enabled from the start");
    }

    [Fact]
    public void Kick_BeforeSizeAndAddress_WaitsForThem()
    {
        using TestRing ring = NewRing();
        ring.Start(_frontEnd);
        ring.Configure(_frontEnd);

        ring.Echo("all is known now");
    }

    [Fact]
    public void Disable_RunningRing_PausesAndGoesOn()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        ring.Enable(_frontEnd, 0);
        _frontEnd.Settle();
        ring.Add("two");
        ring.Kick.Signal();
        Assert.False(ring.Driver.TryTake(out _));

        ring.Enable(_frontEnd, 1);

        Assert.Equal("two", ring.Take());
    }

    [Fact]
    public void GetBase_RunningRing_StopsItAndSaysWhereItStands()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        ring.Echo("two");

        Assert.Equal(2u, ring.Stop(_frontEnd));

        ring.Add("three");
        ring.Kick.Signal();
        _frontEnd.Settle();
        Assert.False(ring.Driver.TryTake(out _));
    }

    [Fact]
    public void GetBase_RingThatNeverRan_SaysWhatWasSet()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd, position: 77);

        Assert.Equal(77u, ring.Stop(_frontEnd));
    }

    [Fact]
    public void GetBase_RequestInFlight_WaitsForIt()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        _device.Hold();
        ring.Add("kept");
        ring.Kick.Signal();
        Assert.True(SpinWait.SpinUntil(() => _device.HeldCount == 1, FrontEnd.Patience));
        _frontEnd.Send(FrontEndRequest.GetRingBase, new VringState { Index = 0 });
        Assert.False(SpinWait.SpinUntil(() => _device.HeldCount == 0, TimeSpan.FromMilliseconds(50)));

        _device.Release(_home.Loops[0], 0);

        VringState answer = Wire.Read<VringState>(_frontEnd.Receive(FrontEndRequest.GetRingBase));
        Assert.Equal(1u, answer.Number);
        Assert.Equal("kept", ring.Take());
    }

    [Fact]
    public void Stop_KickNotYetSeen_IsTakenFromTheDescriptor()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        ring.Kick.Signal();

        ring.Stop(_frontEnd);

        // Who looks at the descriptor after us must not take our kicks for his own.
        Assert.False(ring.Kick.TryDrain());
    }

    [Fact]
    public void SetBase_StoppedRing_GoesOnThere()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        uint position = ring.Stop(_frontEnd);
        ring.Configure(_frontEnd, position);

        ring.Start(_frontEnd);

        ring.Echo("two");
    }

    [Fact]
    public void Call_ReplacedWhileTheRingRuns_GoesToTheNewDescriptor()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        using var successor = EventFd.Create();
        _frontEnd.Send(FrontEndRequest.SetRingCall, 0ul, successor.Handle);
        _frontEnd.Settle();
        Assert.True(successor.TryDrain(), "a call at the time of the change could be lost");

        ring.Echo("two");

        Assert.True(SpinWait.SpinUntil(successor.TryDrain, FrontEnd.Patience));
    }

    [Fact]
    public void Call_TakenAway_IsNotMissed()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        _frontEnd.Send(FrontEndRequest.SetRingCall, NoDescriptor);
        _frontEnd.Settle();
        ring.Call.TryDrain();

        ring.Echo("looked for");

        _frontEnd.Settle();
        Assert.False(ring.Call.TryDrain());
    }

    [Fact]
    public void Kick_ReplacedWhileTheRingRuns_IsHeard()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        using var successor = EventFd.Create();
        _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, successor.Handle);
        _frontEnd.Settle();

        ring.Add("two");
        successor.Signal();

        Assert.Equal("two", ring.Take());
    }

    [Fact]
    public void Kick_WithoutDescriptor_PollsTheRing()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        _frontEnd.Send(FrontEndRequest.SetRingKick, NoDescriptor);
        ring.Enable(_frontEnd, 1);

        ring.Add("without any kick");
        Assert.Equal("without any kick", ring.Take());
        ring.Add("and without being asked for one");
        Assert.Equal("and without being asked for one", ring.Take());

        Assert.False(ring.LastWasKicked);
    }

    [Fact]
    public void KickAndCall_ArePipes_CarryManyRequests()
    {
        // What front-ends send on hosts without eventfd.
        using Pipe kick = new();
        using Pipe call = new();
        using SafeFileHandle kickWriter = kick.TakeWriter();
        using SafeFileHandle callReader = call.TakeReader();
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        using (SafeFileHandle kickReader = kick.TakeReader())
        using (SafeFileHandle callWriter = call.TakeWriter())
        {
            _frontEnd.Send(FrontEndRequest.SetRingCall, 0ul, callWriter);
            _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, kickReader);
            ring.Enable(_frontEnd, 1);
            _frontEnd.Settle();
        }

        using FileStream kicks = new(kickWriter, FileAccess.Write, bufferSize: 0);
        using FileStream calls = new(callReader, FileAccess.Read, bufferSize: 0);
        byte[] event8 = new byte[8];
        for (int count = 0; count < 200; count++)
        {
            ring.Driver.TryArmCalls();
            ring.Add($"request {count}");
            kicks.Write(event8);
            calls.ReadExactly(event8);
            Assert.Equal($"request {count}", ring.Take());
        }
    }

    [Fact]
    public void Address_SetAgainWhileTheRingRuns_GoesOn()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");
        VringAddress address = GuestRam.Address(0);
        address.Flags = VringAddress.LogUsed;

        _frontEnd.Send(FrontEndRequest.SetRingAddress, address);

        ring.Echo("two");
    }

    [Theory]
    [InlineData((uint)FrontEndRequest.SetRingSize)]
    [InlineData((uint)FrontEndRequest.SetRingBase)]
    public void SizeAndBase_WhileTheRingRuns_EndTheConnection(uint request)
    {
        using TestRing ring = _ram.Start(_frontEnd);

        _frontEnd.Send((FrontEndRequest)request, new VringState { Index = 0, Number = 16 });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("cannot change its size or position while it runs");
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(512u)]
    [InlineData(uint.MaxValue)]
    public void Size_NoneOrTooLarge_EndsTheConnection(uint size)
    {
        _frontEnd.Send(FrontEndRequest.SetRingSize, new VringState { Index = 0, Number = size });

        _frontEnd.ExpectClosed();
        _home.ExpectLog($"SET_VRING_NUM: ring 0 was given size {size}");
    }

    [Fact]
    public void Size_NoPowerOfTwo_EndsTheConnectionWhenTheRingStarts()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        _frontEnd.Send(FrontEndRequest.SetRingSize, new VringState { Index = 0, Number = 17 });

        ring.Start(_frontEnd);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("queue size 17");
    }

    [Theory]
    [InlineData((uint)FrontEndRequest.SetRingSize)]
    [InlineData((uint)FrontEndRequest.SetRingBase)]
    [InlineData((uint)FrontEndRequest.GetRingBase)]
    [InlineData((uint)FrontEndRequest.SetRingEnable)]
    [InlineData((uint)FrontEndRequest.SetRingEndian)]
    public void Ring_ThatIsNotThere_EndsTheConnection(uint request)
    {
        _frontEnd.Send((FrontEndRequest)request, new VringState { Index = 2, Number = 1 });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("ring 2 was named, and the device has 2");
    }

    [Theory]
    [InlineData((uint)FrontEndRequest.SetRingKick)]
    [InlineData((uint)FrontEndRequest.SetRingCall)]
    [InlineData((uint)FrontEndRequest.SetRingError)]
    public void Descriptor_NumberSaysNone_EndsTheConnection(uint request)
    {
        using var descriptor = EventFd.Create();

        _frontEnd.Send((FrontEndRequest)request, NoDescriptor, descriptor.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("bit 8 says that there is no descriptor");
    }

    [Theory]
    [InlineData((uint)FrontEndRequest.SetRingKick, 0ul)]
    [InlineData((uint)FrontEndRequest.SetRingCall, 0ul)]
    [InlineData((uint)FrontEndRequest.SetRingError, 0ul)]
    [InlineData((uint)FrontEndRequest.SetRingKick, 0x300ul)]
    public void Descriptor_MissingOrNumberUnknown_EndsTheConnection(uint request, ulong number)
    {
        _frontEnd.Send((FrontEndRequest)request, number);

        _frontEnd.ExpectClosed();
    }

    [Fact]
    public void Kick_ThatIsAFile_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetRingKick, 0ul, _ram.File.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("cannot signal events");
    }

    [Fact]
    public void Enable_WithAnotherNumber_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetRingEnable, new VringState { Index = 0, Number = 2 });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("where 0 or 1 was expected");
    }

    [Fact]
    public void ByteOrder_LittleEndian_IsTakenBeforeTheRingStarts()
    {
        using TestRing ring = NewRing();
        Assert.Equal(0ul, _frontEnd.SendAcknowledged(FrontEndRequest.SetRingEndian, new VringState { Number = 0 }));
        ring.Configure(_frontEnd);
        ring.Add("as ever");

        ring.Start(_frontEnd);

        Assert.Equal("as ever", ring.Take());
    }

    [Fact]
    public void ByteOrder_BigEndian_IsRefusedAndTheConnectionGoesOn()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);

        Assert.NotEqual(0ul, _frontEnd.SendAcknowledged(FrontEndRequest.SetRingEndian, new VringState { Number = 1 }));

        _home.ExpectLog("ring 0 cannot be big-endian");
        ring.Add("little-endian all the same");
        ring.Start(_frontEnd);
        Assert.Equal("little-endian all the same", ring.Take());
    }

    [Fact]
    public void ByteOrder_BigEndianAndNobodyWaitsForTheAnswer_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.SetRingEndian, new VringState { Number = 1 });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("ring 0 cannot be big-endian");
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(uint.MaxValue)]
    public void ByteOrder_Unknown_EndsTheConnection(uint order)
    {
        _frontEnd.Send(FrontEndRequest.SetRingEndian, new VringState { Number = order });

        _frontEnd.ExpectClosed();
        _home.ExpectLog($"ring 0 was given byte order {order}, where 0 (little-endian) or 1 (big-endian) was expected");
    }

    [Fact]
    public void ByteOrder_OfAStartedRing_EndsTheConnection()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        ring.Start(_frontEnd);

        _frontEnd.Send(FrontEndRequest.SetRingEndian, new VringState { Number = 0 });

        _frontEnd.ExpectClosed();
        _home.ExpectLog("ring 0 cannot change its byte order once it is started");
    }

    [Fact]
    public void Address_OutsideAllRegions_EndsTheConnection()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        VringAddress address = GuestRam.Address(0);
        address.Used = 0x1000;
        _frontEnd.Send(FrontEndRequest.SetRingAddress, address);

        ring.Start(_frontEnd);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("the device area of ring 0 is at 1000, in no memory region");
    }

    [Fact]
    public void Address_RingReachesPastItsRegion_EndsTheConnection()
    {
        using TestRing ring = NewRing();
        ring.Configure(_frontEnd);
        VringAddress address = GuestRam.Address(0);
        address.Descriptors = GuestRam.UserBase + (ulong)_ram.File.Size - 16;
        _frontEnd.Send(FrontEndRequest.SetRingAddress, address);

        ring.Start(_frontEnd);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("does not lie in the driver's memory");
    }

    [Fact]
    public void Address_OfTheGuest_WhereThatWasNegotiated_IsUnderstood()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate(with: 1ul << ProtocolFeature.GuestAddresses);
        frontEnd.Accept();
        MemoryRegionDescription region = _ram.Region;
        region.UserAddress = region.GuestAddress;
        frontEnd.SendBytes(FrontEndRequest.SetMemoryTable, GuestRam.Table(region), _ram.File.Handle);
        using TestRing ring = NewRing();
        ring.Configure(frontEnd);
        VringAddress address = GuestRam.Address(0);
        address.Descriptors = address.Descriptors - GuestRam.UserBase + GuestRam.GuestBase;
        address.Available = address.Available - GuestRam.UserBase + GuestRam.GuestBase;
        address.Used = address.Used - GuestRam.UserBase + GuestRam.GuestBase;
        frontEnd.Send(FrontEndRequest.SetRingAddress, address);

        ring.Start(frontEnd);

        ring.Echo("by guest addresses");
    }

    [Fact]
    public void ResetOwner_RunningRing_DisablesIt()
    {
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("one");

        _frontEnd.Send(FrontEndRequest.ResetOwner);
        _frontEnd.Settle();

        ring.Add("two");
        ring.Kick.Signal();
        Assert.False(SpinWait.SpinUntil(() => ring.Driver.TryTake(out _), TimeSpan.FromMilliseconds(50)));
    }

    [Fact]
    public void Rings_SeveralOnSeveralLoops_AllRun()
    {
        using ProbeDevice device = new(queueCount: 4);
        using HomeUnderTest home = new(device, loopCount: 2);
        using FrontEnd frontEnd = home.Negotiate();
        frontEnd.Accept();
        _ram.Share(frontEnd);
        List<TestRing> rings = [.. Enumerable.Range(0, 4).Select(index => _ram.Start(frontEnd, index))];

        foreach (TestRing ring in rings)
        {
            ring.Echo($"ring {ring.Index}");
        }

        rings.ForEach(static ring => ring.Dispose());
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0x8000_8000u)]
    [InlineData(0x1234_9234u)]
    [InlineData(0x9234_1234u)]
    public void Position_OfPackedRing_SurvivesTheJourney(uint number) =>
        Assert.Equal(number, RingPosition.Encode(RingPosition.Decode(number, isPacked: true), isPacked: true));

    [Fact]
    public void Position_OfPackedRing_HasItsPartsInPlace()
    {
        QueueState state = RingPosition.Decode(0x8003_0005, isPacked: true);

        Assert.Equal(new QueueState(5, 3, AvailableWrap: false, UsedWrap: true), state);
    }

    /// <summary>DPDK's driver sends the half that it knows.</summary>
    [Fact]
    public void Position_OfNewPackedRingByHalf_IsFresh() =>
        Assert.Equal(QueueState.Fresh, RingPosition.Decode(0x8000, isPacked: true));

    private TestRing NewRing() => new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
}
