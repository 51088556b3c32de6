using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>What only some device types have, and requests of the device to the front-end.</summary>
public sealed class SpecialMessageTests : IDisposable
{
    private const uint Reply = 1 | 4;

    private readonly SpecialDevice _device = new();
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;
    private readonly FrontEnd _backEndSide;

    public SpecialMessageTests()
    {
        _home = new(_device);
        _frontEnd = _home.Negotiate();
        _backEndSide = _frontEnd.GiveBackEndSocket();
    }

    public void Dispose()
    {
        _backEndSide.Dispose();
        _frontEnd.Dispose();
        _home.Dispose();
    }

    [Fact]
    public void Offers_DeviceWithoutSpecialties_LackTheirFeatures()
    {
        using ProbeDevice plain = new();

        ulong special = Offers.Protocol(_device) & ~Offers.Protocol(plain);

        Assert.Equal(
            FeatureSet.Of(
                ProtocolFeature.Rarp,
                ProtocolFeature.Mtu,
                ProtocolFeature.CryptoSession,
                ProtocolFeature.DeviceState,
                ProtocolFeature.SharedObject,
                ProtocolFeature.SharedMemory
            ),
            new FeatureSet(special)
        );
    }

    [Fact]
    public void Announce_MacAddress_ReachesTheDevice()
    {
        _frontEnd.SendBytes(FrontEndRequest.SendRarp, [0x52, 0x54, 0, 1, 2, 3, 0xee, 0xee]);
        _frontEnd.Settle();

        Assert.Equal([0x52, 0x54, 0, 1, 2, 3], _device.Announced);
    }

    [Theory]
    [InlineData(1500ul, true)]
    [InlineData(60ul, false)]
    [InlineData(65536ul, false)]
    public void Mtu_Set_IsTakenOrRefused(ulong mtu, bool isTaken)
    {
        ulong answer = _frontEnd.SendAcknowledged(FrontEndRequest.SetMtu, mtu);

        Assert.Equal(isTaken, answer == 0);
        Assert.Equal(isTaken ? (ushort)mtu : (ushort)0, _device.Mtu);
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(0, -1)]
    public void CryptoSession_Created_HasTheDevicesNumber(byte first, long expected)
    {
        byte[] question = new byte[64];
        question[0] = first;

        _frontEnd.SendBytes(FrontEndRequest.CreateCryptoSession, question);

        byte[] answer = _frontEnd.Receive(FrontEndRequest.CreateCryptoSession);
        Assert.Equal(question[..56], answer[..56]);
        Assert.Equal(expected, Wire.Read<long>(answer.AsSpan(56)));
        Assert.Equal(question[..56], _device.Session);
    }

    [Theory]
    [InlineData(5ul, true)]
    [InlineData(6ul, false)]
    public void CryptoSession_Closed_MustHaveBeenOpen(ulong number, bool isGood) =>
        Assert.Equal(isGood, _frontEnd.SendAcknowledged(FrontEndRequest.CloseCryptoSession, number) == 0);

    [Fact]
    public void Display_Given_BecomesTheDevices()
    {
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();

        _frontEnd.SendBytes(FrontEndRequest.SetGpuSocket, [], theirs.Handle);
        _frontEnd.Settle();
        theirs.Dispose();

        using (var display = UnixChannel.FromDescriptor(_device.Display!))
        {
            Assert.Equal(SendOutcome.Sent, display.Send([9]));
        }

        Assert.Equal(ReceiveOutcome.Received, ours.TryReceive(new byte[1], out _));
        ours.Dispose();
    }

    [Fact]
    public void Display_OnADeviceWithoutOne_EndsTheConnection()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using FrontEnd frontEnd = home.Negotiate();
        using var descriptor = EventFd.Create();

        frontEnd.SendBytes(FrontEndRequest.SetGpuSocket, [], descriptor.Handle);

        frontEnd.ExpectClosed();
        home.ExpectLog("GPU_SET_SOCKET: the device is of type Console, which has no use for this");
    }

    [Fact]
    public void SharedMemoryConfig_Asked_HasSizesAtTheirIds()
    {
        _frontEnd.Send(FrontEndRequest.GetSharedMemoryConfig);

        byte[] answer = _frontEnd.Receive(FrontEndRequest.GetSharedMemoryConfig);
        Assert.Equal(8 + 256 * 8, answer.Length);
        Assert.Equal(2u, Wire.Read<uint>(answer));
        Assert.Equal(0x10000ul, Wire.Read<ulong>(answer.AsSpan(8)));
        Assert.Equal(0x2000ul, Wire.Read<ulong>(answer.AsSpan(8 + 7 * 8)));
        Assert.Equal(0ul, Wire.Read<ulong>(answer.AsSpan(8 + 8)));
    }

    [Theory]
    [InlineData(0ul, true)]
    [InlineData(22ul, false)]
    public void MapShared_Answered_TellsTheDevice(ulong answer, bool expected)
    {
        using var file = MemoryFile.Create("dax", 0x4000);
        using BlockingCollection<bool> answers = [];

        _device.Memory.MapShared(new(7, 0x1000, 0x1000), file.Handle, 0x2000, isWritable: true, answers.Add);

        (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
        SharedMemoryMapping mapping = Wire.Read<SharedMemoryMapping>(payload);
        Assert.Equal(BackEndRequest.SharedMemoryMap, request);
        Assert.Equal(40, payload.Length);
        Assert.Equal((7ul, 0x1000ul, 0x2000ul), (mapping.RegionId, mapping.RegionOffset, mapping.FileOffset));
        Assert.Equal((0x1000ul, SharedMemoryMapping.Writable), (mapping.LengthBytes, mapping.Flags));
        Assert.Equal(0x4000, RandomAccess.GetLength(Assert.Single(_backEndSide.AnswerDescriptors)));
        Answer(request, answer);
        Assert.Equal(expected, Take(answers));
    }

    [Fact]
    public void UnmapShared_Answered_TellsTheDevice()
    {
        using BlockingCollection<bool> answers = [];

        _device.Memory.UnmapShared(new(0, 0, 0x3000), answers.Add);

        (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
        Assert.Equal(BackEndRequest.SharedMemoryUnmap, request);
        Assert.Equal(0x3000ul, Wire.Read<SharedMemoryMapping>(payload).LengthBytes);
        Answer(request, 0);
        Assert.True(Take(answers));
    }

    [Fact]
    public void MapShared_FrontEndCloses_Fails()
    {
        using var file = MemoryFile.Create("dax", 0x4000);
        using BlockingCollection<bool> answers = [];
        _device.Memory.MapShared(new(7, 0, 0x1000), file.Handle, 0, isWritable: false, answers.Add);
        _backEndSide.ReceiveRequest();

        _backEndSide.Dispose();

        Assert.False(Take(answers));
        _device.Memory.MapShared(new(7, 0, 0x1000), file.Handle, 0, isWritable: false, answers.Add);
        Assert.False(Take(answers));
    }

    [Fact]
    public void MapShared_NoFrontEnd_Fails()
    {
        using HomeUnderTest home = new(new SpecialDevice());
        using BlockingCollection<bool> answers = [];
        using var file = MemoryFile.Create("dax", 0x4000);

        ((SpecialDevice)home.Device).Memory.MapShared(new(7, 0, 4096), file.Handle, 0, false, answers.Add);

        Assert.False(Take(answers));
    }

    [Fact]
    public void SharedObject_Asked_ComesWithTheAnswer()
    {
        using var dmabuf = MemoryFile.Create("dmabuf", 4096);
        _device.Shared = dmabuf.Handle;
        byte[] id = SpecialDevice.SharedId.ToByteArray(bigEndian: true);

        _frontEnd.SendBytes(FrontEndRequest.GetSharedObject, id);
        Assert.Equal(id, _frontEnd.Receive(FrontEndRequest.GetSharedObject));
        using SafeFileHandle found = Assert.Single(_frontEnd.AnswerDescriptors);
        Assert.Equal(4096, RandomAccess.GetLength(found));

        _frontEnd.SendBytes(FrontEndRequest.GetSharedObject, new byte[16]);
        _frontEnd.Receive(FrontEndRequest.GetSharedObject);
        Assert.Empty(_frontEnd.AnswerDescriptors);
    }

    [Fact]
    public void SharedObjects_AddedAndRemoved_AreTold()
    {
        _device.Objects.AddShared(SpecialDevice.SharedId);
        _device.Objects.RemoveShared(SpecialDevice.SharedId);

        byte[] id = SpecialDevice.SharedId.ToByteArray(bigEndian: true);
        foreach (
            BackEndRequest expected in (BackEndRequest[])
                [BackEndRequest.SharedObjectAdd, BackEndRequest.SharedObjectRemove]
        )
        {
            (BackEndRequest request, byte[] payload) = _backEndSide.ReceiveRequest();
            Assert.Equal(expected, request);
            Assert.Equal(id, payload);
        }
    }

    [Fact]
    public void SharedObject_LookedUp_ComesFromTheFrontEnd()
    {
        using var dmabuf = MemoryFile.Create("dmabuf", 8192);
        using BlockingCollection<SafeFileHandle?> answers = [];

        _device.Objects.LookUpShared(SpecialDevice.SharedId, answers.Add);
        (BackEndRequest request, _) = _backEndSide.ReceiveRequest();
        Answer(request, 0, dmabuf.Handle);
        using SafeFileHandle? found = Take(answers);
        Assert.Equal(8192, RandomAccess.GetLength(found!));

        _device.Objects.LookUpShared(SpecialDevice.SharedId, answers.Add);
        _backEndSide.ReceiveRequest();
        Answer(request, 1);
        Assert.Null(Take(answers));
    }

    [Fact]
    public void Answer_ToAnotherRequest_ClosesTheSocket()
    {
        using BlockingCollection<bool> answers = [];
        _device.Memory.UnmapShared(new(0, 0, 0x3000), answers.Add);
        _backEndSide.ReceiveRequest();

        Answer(BackEndRequest.SharedMemoryMap, 0);

        Assert.False(Take(answers));
        _home.ExpectLog("answers no request");
        _frontEnd.Settle();
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(16, 0)]
    [InlineData(8, 2)]
    public void Answer_OfAnotherForm_ClosesThatSocketOnly(int payloadBytes, int descriptorCount)
    {
        using var file = EventFd.Create();
        using BlockingCollection<bool> answers = [];
        _device.Memory.UnmapShared(new(0, 0, 0x3000), answers.Add);
        _backEndSide.ReceiveRequest();
        SafeFileHandle[] descriptors = [.. Enumerable.Repeat(file.Handle, descriptorCount)];

        _backEndSide.SendRaw(
            (uint)BackEndRequest.SharedMemoryUnmap,
            Reply,
            (uint)payloadBytes,
            new byte[payloadBytes],
            descriptors
        );

        Assert.False(Take(answers));
        _backEndSide.ExpectClosed();
        _frontEnd.Settle();
    }

    [Fact]
    public void Request_FeatureNotNegotiated_IsNotSent()
    {
        SpecialDevice device = new();
        using HomeUnderTest home = new(device);
        using FrontEnd frontEnd = home.Negotiate(
            without: 1ul << ProtocolFeature.SharedMemory | 1ul << ProtocolFeature.SharedObject
        );
        using FrontEnd backEndSide = frontEnd.GiveBackEndSocket();
        using var file = MemoryFile.Create("dax", 0x4000);
        using BlockingCollection<bool> answers = [];
        using BlockingCollection<SafeFileHandle?> found = [];

        device.Memory.MapShared(new(7, 0, 0x1000), file.Handle, 0, isWritable: false, answers.Add);
        device.Memory.UnmapShared(new(7, 0, 0x1000), answers.Add);
        device.Objects.AddShared(SpecialDevice.SharedId);
        device.Objects.RemoveShared(SpecialDevice.SharedId);
        device.Objects.LookUpShared(SpecialDevice.SharedId, found.Add);

        Assert.False(Take(answers));
        Assert.False(Take(answers));
        Assert.Null(Take(found));
        frontEnd.Settle();
        Assert.False(backEndSide.HasMessage);
    }

    private static T Take<T>(BlockingCollection<T> answers)
    {
        Assert.True(
            answers.TryTake(
                out T? answer,
                (int)FrontEnd.Patience.TotalMilliseconds,
                TestContext.Current.CancellationToken
            )
        );
        return answer!;
    }

    private void Answer(BackEndRequest request, ulong value, params ReadOnlySpan<SafeFileHandle> descriptors) =>
        _backEndSide.SendRaw((uint)request, Reply, 8, Wire.Bytes(ref value), descriptors);
}
