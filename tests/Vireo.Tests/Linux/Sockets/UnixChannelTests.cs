using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;
using Vireo.Linux.Sockets;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Linux.Sockets;

[Collection(DescriptorCountCollection.Name)]
public sealed class UnixChannelTests : IDisposable
{
    private readonly UnixChannel _near;
    private readonly UnixChannel _far;
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly SafeFileHandle?[] _received = new SafeFileHandle?[8];

    public UnixChannelTests()
    {
        (_near, _far) = UnixChannel.CreatePair();
        _near.SendTimeout = TimeSpan.FromMilliseconds(50);
    }

    public void Dispose()
    {
        _near.Dispose();
        _far.Dispose();
        Array.ForEach(_received, handle => handle?.Dispose());
    }

    [Fact]
    public void TryReceive_NothingThere_WouldBlock()
    {
        Assert.Equal(ReceiveOutcome.WouldBlock, _far.TryReceive(_buffer, out int count));
        Assert.Equal(0, count);
    }

    [Fact]
    public void TryReceive_PeerClosed_GivesTheRestAndThenClosed()
    {
        _near.Send("last words"u8);
        _near.Dispose();

        Assert.Equal(ReceiveOutcome.Received, _far.TryReceive(_buffer, out int count));
        Assert.Equal("last words"u8, _buffer.AsSpan(0, count));
        Assert.Equal(ReceiveOutcome.Closed, _far.TryReceive(_buffer, out count));
        Assert.Equal(0, count);
    }

    [Fact]
    public void TryReceive_PeerClosedWithUnreadData_IsClosedNotAnException()
    {
        _far.Send("never read"u8);
        _near.Dispose();

        // The kernel answers ECONNRESET once, and then end of stream.
        Assert.Equal(ReceiveOutcome.Closed, _far.TryReceive(_buffer, out _));
        Assert.Equal(ReceiveOutcome.Closed, _far.TryReceive(_buffer, out _));
    }

    [Fact]
    public void TryReceive_EmptyDestination_Throws()
    {
        Assert.Throws<ArgumentException>(() => _far.TryReceive([], out _));
    }

    [Fact]
    public void Send_PeerClosed_IsClosed()
    {
        _far.Dispose();

        Assert.Equal(SendOutcome.Closed, _near.Send("anybody?"u8));
        Assert.Equal(SendOutcome.Closed, _near.TrySend("anybody?"u8, out int count));
        Assert.Equal(0, count);
    }

    [Fact]
    public void Send_PeerDoesNotRead_GivesUpAfterItsTime()
    {
        byte[] tooMuch = new byte[16 << 20];

        Assert.Equal(SendOutcome.WouldBlock, _near.Send(tooMuch));
    }

    [Fact]
    public void TrySend_PeerDoesNotRead_SendsWhatFitsAndThenWouldBlock()
    {
        byte[] tooMuch = new byte[16 << 20];

        Assert.Equal(SendOutcome.Sent, _near.TrySend(tooMuch, out int first));
        Assert.InRange(first, 1, tooMuch.Length - 1);
        while (_near.TrySend(tooMuch, out _) == SendOutcome.Sent) { }

        Assert.Equal(SendOutcome.WouldBlock, _near.TrySend(tooMuch, out int last));
        Assert.Equal(0, last);
    }

    [Fact]
    public void Send_MoreThanTheSocketHolds_ArrivesWhole()
    {
        byte[] message = new byte[4 << 20];
        new Random(1).NextBytes(message);
        _near.SendTimeout = TimeSpan.FromSeconds(20);
        SendOutcome outcome = SendOutcome.WouldBlock;
        Thread sender = new(() =>
        {
            outcome = _near.Send(message);
            _near.ShutdownSend();
        });
        sender.Start();

        using MemoryStream arrived = new();
        ReceiveOutcome last;
        while ((last = _far.TryReceive(_buffer, out int count)) != ReceiveOutcome.Closed)
        {
            Assert.NotEqual(ReceiveOutcome.DescriptorsLost, last);
            arrived.Write(_buffer, 0, count);
        }

        sender.Join();
        Assert.Equal(SendOutcome.Sent, outcome);
        Assert.Equal(message, arrived.ToArray());
    }

    [Fact]
    public void Send_WithDescriptors_ThePeerGetsItsOwn()
    {
        using var signal = EventFd.Create();
        using var memory = MemoryFile.Create("sent", 8192);

        Assert.Equal(SendOutcome.Sent, _near.Send("two"u8, [signal.Handle, memory.Handle]));
        ReceiveOutcome outcome = _far.TryReceive(_buffer, _received, out int bytes, out int descriptors);

        Assert.Equal((ReceiveOutcome.Received, 3, 2), (outcome, bytes, descriptors));
        using var wrapped = EventFd.Wrap(_received[0]!);
        wrapped.Signal();
        Assert.True(signal.TryDrain());
        Assert.Equal(8192, FileStatus.Of(_received[1]!).SizeBytes);
        Assert.False(memory.Handle.IsClosed);
    }

    [Fact]
    public void TryReceive_Descriptors_AreClosedOnExec()
    {
        const int CloseOnExec = 0x80000;
        using var memory = MemoryFile.Create("sent", 0);
        _near.Send("x"u8, [memory.Handle]);
        _far.TryReceive(_buffer, _received, out _, out _);
        using DescriptorLease lease = new(_received[0]!);

        string flagsLine = File.ReadAllLines($"/proc/self/fdinfo/{lease.Number}")
            .First(line => line.StartsWith("flags:", StringComparison.Ordinal));

        Assert.NotEqual(0, Convert.ToInt32(flagsLine["flags:".Length..].Trim(), 8) & CloseOnExec);
    }

    [Fact]
    public void TryReceive_TwoSendsWithDescriptors_DoesNotMixThem()
    {
        using var first = MemoryFile.Create("first", 1);
        using var second = MemoryFile.Create("second", 2);
        _near.Send("11"u8, [first.Handle]);
        _near.Send("22"u8, [second.Handle]);

        _far.TryReceive(_buffer, _received, out int bytes, out int descriptors);

        Assert.Equal((2, 1), (bytes, descriptors));
        Assert.Equal(1, FileStatus.Of(_received[0]!).SizeBytes);
    }

    [Fact]
    public void TryReceive_DescriptorsComeWithTheFirstByteReadOfTheirSend()
    {
        using var memory = MemoryFile.Create("sent", 0);
        _near.Send("abc"u8, [memory.Handle]);

        _far.TryReceive(_buffer.AsSpan(0, 1), _received, out _, out int withFirst);
        _far.TryReceive(_buffer, _received.AsSpan(1), out int restBytes, out int withRest);

        Assert.Equal((1, 2, 0), (withFirst, restBytes, withRest));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    [InlineData(3, 8)]
    public void TryReceive_MoreDescriptorsThanRoom_ClosesAllAndSaysSo(int room, int sent)
    {
        using var memory = MemoryFile.Create("sent", 0);
        var handles = new SafeHandle[sent];
        Array.Fill(handles, memory.Handle);
        int before = DescriptorCountCollection.Count();

        _near.Send("x"u8, handles);
        ReceiveOutcome outcome = _far.TryReceive(
            _buffer,
            _received.AsSpan(0, room),
            out int bytes,
            out int descriptors
        );

        Assert.Equal((ReceiveOutcome.DescriptorsLost, 0, 0), (outcome, bytes, descriptors));
        Assert.Equal(before, DescriptorCountCollection.Count());
        Assert.All(_received, Assert.Null);
    }

    [Fact]
    public void SendAndReceive_AsManyDescriptorsAsTheKernelTakes_Works()
    {
        using var memory = MemoryFile.Create("sent", 0);
        var handles = new SafeHandle[UnixChannel.DescriptorsMax];
        Array.Fill(handles, memory.Handle);
        var received = new SafeFileHandle?[UnixChannel.DescriptorsMax + 10];
        int before = DescriptorCountCollection.Count();

        Assert.Equal(SendOutcome.Sent, _near.Send("x"u8, handles));
        Assert.Equal(ReceiveOutcome.Received, _far.TryReceive(_buffer, received, out _, out int count));
        Assert.Equal(UnixChannel.DescriptorsMax, count);
        Assert.Equal(before + count, DescriptorCountCollection.Count());
        Array.ForEach(received, handle => handle?.Dispose());

        Assert.Equal(before, DescriptorCountCollection.Count());
        Assert.Throws<ArgumentException>(() => _near.Send("x"u8, new SafeFileHandle[UnixChannel.DescriptorsMax + 1]));
    }

    [Fact]
    public void Send_ClosedDescriptor_ThrowsAndReleasesTheOthers()
    {
        var memory = MemoryFile.Create("sent", 0);
        var closed = MemoryFile.Create("closed", 0);
        closed.Dispose();
        int before = DescriptorCountCollection.Count();

        Assert.Throws<ObjectDisposedException>(() => _near.Send("x"u8, [memory.Handle, closed.Handle]));
        memory.Dispose();

        // A reference that was kept would keep it open.
        Assert.Equal(before - 1, DescriptorCountCollection.Count());
    }

    [Fact]
    public void GetPeer_IsThisProcess()
    {
        PeerCredentials peer = _near.GetPeer();

        Assert.Equal(Environment.ProcessId, peer.ProcessId);
    }

    [Fact]
    public void Shutdown_EndsBothDirections()
    {
        _near.Shutdown();
        _near.Shutdown();

        Assert.Equal(ReceiveOutcome.Closed, _far.TryReceive(_buffer, out _));
        Assert.Equal(SendOutcome.Closed, _far.Send("x"u8));
    }

    [Fact]
    public void FromDescriptor_Eventfd_IsRefusedAndClosed()
    {
        using var signal = EventFd.Create();
        SafeFileHandle copy = DescriptorFlags.Duplicate(signal.Handle);

        LinuxException exception = Assert.Throws<LinuxException>(() => UnixChannel.FromDescriptor(copy));

        Assert.Equal(Errno.ENOTSOCK, exception.Error);
        Assert.True(copy.IsClosed);
    }

    [Fact]
    public void SendAndReceive_WithoutDescriptors_AllocateNothing()
    {
        Allocations.AssertNone(() => Exchange(10_000));
    }

    private void Exchange(int times)
    {
        for (int count = 0; count < times; count++)
        {
            _near.Send("request"u8);
            _far.TryReceive(_buffer, out _);
        }
    }
}
