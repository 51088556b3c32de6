using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The record of requests in flight: made, given back, and gone on from.</summary>
public sealed class InflightMessageTests : IDisposable
{
    private const ushort Size = 16;

    private readonly ProbeDevice _device = new();
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public InflightMessageTests()
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

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void Get_Answer_HasAFileOfTheLengthItSays(int paddingBytes)
    {
        _frontEnd.Accept();

        InflightDescription answer = Get(_frontEnd, queueCount: 2, paddingBytes);

        Assert.Equal(2, answer.QueueCount);
        Assert.Equal(Size, answer.QueueSize);
        Assert.Equal(2ul * (16 + 16 * Size + 48), answer.LengthBytes);
        Assert.Equal((long)answer.LengthBytes, RandomAccess.GetLength(Assert.Single(_frontEnd.AnswerDescriptors)));
    }

    [Theory]
    [InlineData(0, Size)]
    [InlineData(3, Size)]
    [InlineData(1, 0)]
    [InlineData(1, 32769)]
    public void Get_ImpossibleQueues_EndsTheConnection(int queueCount, int queueSize)
    {
        _frontEnd.Send(
            FrontEndRequest.GetInflightDescriptor,
            new InflightDescription { QueueCount = (ushort)queueCount, QueueSize = (ushort)queueSize }
        );

        _frontEnd.ExpectClosed();
        _home.ExpectLog("GET_INFLIGHT_FD: ");
    }

    [Fact]
    public void Set_TooShortForTheQueues_EndsTheConnection()
    {
        using var file = MemoryFile.Create("record", 4096);

        _frontEnd.Send(
            FrontEndRequest.SetInflightDescriptor,
            new InflightDescription
            {
                LengthBytes = 64,
                QueueCount = 1,
                QueueSize = Size,
            },
            file.Handle
        );

        _frontEnd.ExpectClosed();
        _home.ExpectLog("64 bytes are too few for 1 queues of 16");
    }

    [Fact]
    public void Set_LongerThanTheFile_IsRefused()
    {
        using var file = MemoryFile.Create("record", 4096);

        ulong answer = _frontEnd.SendAcknowledged(
            FrontEndRequest.SetInflightDescriptor,
            new InflightDescription
            {
                LengthBytes = 8192,
                QueueCount = 1,
                QueueSize = Size,
            },
            file.Handle
        );

        Assert.NotEqual(0ul, answer);
        _frontEnd.Settle();
    }

    [Fact]
    public void Set_OffsetNotAligned_EndsTheConnection()
    {
        using var file = MemoryFile.Create("record", 8192);

        _frontEnd.Send(
            FrontEndRequest.SetInflightDescriptor,
            new InflightDescription
            {
                LengthBytes = 4096,
                FileOffset = 4,
                QueueCount = 1,
                QueueSize = Size,
            },
            file.Handle
        );

        _frontEnd.ExpectClosed();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Successor_OfOneThatEndedWithRequestsInFlight_DoesThemOnce(bool isPacked)
    {
        int[] features = isPacked ? [CoreFeature.RingPacked] : [];
        _frontEnd.Accept(features);
        InflightDescription description = Get(_frontEnd, queueCount: 1, paddingBytes: 4);
        using SafeFileHandle file = _frontEnd.AnswerDescriptors[0];
        using var record = MemoryMapping.Map(file, 0, (nuint)description.LengthBytes, MappingAccess.ReadWrite);
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd, 0, Size, features);
        ring.Echo("done before");
        _device.Hold();
        ring.Add("first");
        ring.Add("second");
        ring.Kick.Signal();
        Assert.True(SpinWait.SpinUntil(() => _device.HeldCount == 2, FrontEnd.Patience));

        // What the world looks like at this moment is what it looks like when the process is killed.
        byte[] memory = _ram.Bytes.ToArray();
        byte[] recorded = Bytes(record).ToArray();
        _device.Release(_home.Loops[0], 0);
        ring.Stop(_frontEnd);
        memory.CopyTo(_ram.Bytes);
        recorded.CopyTo(Bytes(record));

        using HomeUnderTest successor = new(new ProbeDevice());
        using FrontEnd again = successor.Negotiate();
        again.Accept(features);
        again.Send(FrontEndRequest.SetInflightDescriptor, description, file);
        _ram.Share(again);
        // The front-end of a crashed back-end knows no position; the record does.
        ring.Configure(again);
        ring.Start(again);

        Assert.Equal("first", ring.Take());
        Assert.Equal("second", ring.Take());
        ring.Echo("third");
        Assert.False(ring.Driver.TryTake(out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StopWithoutWaiting_RequestsInFlight_AreDoneByTheNextProcessFromTheSavedState(bool isPacked)
    {
        int[] features = isPacked ? [CoreFeature.RingPacked] : [];
        _frontEnd.Accept(features);
        InflightDescription description = Get(_frontEnd, queueCount: 1, paddingBytes: 4);
        using SafeFileHandle file = _frontEnd.AnswerDescriptors[0];
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd, 0, Size, features);
        ring.Echo("done before");
        _device.Hold();
        ring.Add("first");
        ring.Add("second");
        ring.Kick.Signal();
        Assert.True(SpinWait.SpinUntil(() => _device.HeldCount == 2, FrontEnd.Patience));

        VringState stopped = _frontEnd.Ask(FrontEndRequest.GetRingBaseSkipDrain, new VringState());
        ring.Add("third, which nobody took");

        using HomeUnderTest successor = new(new ProbeDevice());
        using FrontEnd next = successor.Negotiate();
        next.Accept(features);
        next.Send(FrontEndRequest.SetInflightDescriptor, description, file);
        _ram.Share(next);
        ring.Configure(next, stopped.Number);
        ring.Start(next);

        Assert.Equal("first", ring.Take());
        Assert.Equal("second", ring.Take());
        Assert.Equal("third, which nobody took", ring.Take());
        ring.Echo("fourth");
        Assert.False(ring.Driver.TryTake(out _));
    }

    [Fact]
    public void StopWithoutWaiting_NothingInFlight_IsAStop()
    {
        _frontEnd.Accept();
        Get(_frontEnd, queueCount: 1, paddingBytes: 0);
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd, 0, Size);
        ring.Echo("one");

        VringState stopped = _frontEnd.Ask(FrontEndRequest.GetRingBaseSkipDrain, new VringState());

        Assert.Equal(1u, stopped.Number);
        ring.Configure(_frontEnd, stopped.Number);
        ring.Start(_frontEnd);
        ring.Echo("two");
    }

    [Fact]
    public void StopWithoutWaiting_NoRecord_EndsTheConnection()
    {
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd, 0, Size);

        _frontEnd.Send(FrontEndRequest.GetRingBaseSkipDrain, new VringState());

        _frontEnd.ExpectClosed();
        _home.ExpectLog("because there is no record of them");
    }

    [Fact]
    public void Record_OfAQueueOfAnotherSize_IsBegunAnew()
    {
        _frontEnd.Accept();
        InflightDescription description = Get(_frontEnd, queueCount: 1, paddingBytes: 0);
        _ram.Share(_frontEnd);
        using (TestRing firmware = _ram.Start(_frontEnd, 0, 8))
        {
            firmware.Echo("a smaller queue");
            firmware.Stop(_frontEnd);
        }

        using TestRing ring = _ram.Start(_frontEnd, 0, Size);

        ring.Echo("the whole queue");
        Assert.Equal(Size, description.QueueSize);
    }

    private static Span<byte> Bytes(MemoryMapping mapping) => mapping.GetSpan(0, (int)mapping.Length);

    private static InflightDescription Get(FrontEnd frontEnd, ushort queueCount, int paddingBytes)
    {
        InflightDescription question = new() { QueueCount = queueCount, QueueSize = Size };
        frontEnd.SendBytes(
            FrontEndRequest.GetInflightDescriptor,
            [.. Wire.Bytes(ref question), .. new byte[paddingBytes]]
        );
        byte[] answer = frontEnd.Receive(FrontEndRequest.GetInflightDescriptor);
        Assert.Equal(20 + paddingBytes, answer.Length);
        return Wire.Read<InflightDescription>(answer);
    }
}
