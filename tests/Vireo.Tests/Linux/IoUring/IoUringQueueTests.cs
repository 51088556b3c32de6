using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.IoUring;
using Vireo.Linux.Memory;
using Vireo.Linux.Sockets;
using Vireo.Tests.Fakes;
using Vireo.Tests.Linux.Events;

namespace Vireo.Tests.Linux.IoUring;

public sealed class IoUringQueueTests : IDisposable
{
    private const int Page = 4096;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly IoUringQueue _queue;
    private readonly MemoryFile _memory = MemoryFile.Create("file", 64 * 1024);
    private readonly MemoryMapping _buffer = MemoryMapping.MapAnonymous(64 * 1024);
    private readonly IoUringCompletion[] _completions = new IoUringCompletion[64];

    public IoUringQueueTests()
    {
        IoUringSupport.Need();
        _queue = new IoUringQueue(new IoUringOptions { Entries = 8, InFlightMax = 16 });
    }

    public void Dispose()
    {
        _queue.Dispose();
        _memory.Dispose();
        _buffer.Dispose();
    }

    [Fact]
    public void TakeCompletions_NothingSubmitted_IsNothing()
    {
        Assert.Equal(0, _queue.TakeCompletions(_completions));
        Assert.False(_queue.HasCompletions);
        Assert.Equal(0, _queue.Submit());
    }

    [Fact]
    public void Submit_Nops_CompletesEachWithItsNumber()
    {
        Assert.True(_queue.TryPrepareNop(11));
        Assert.True(_queue.TryPrepareNop(22));
        Assert.Equal((2, 0), (_queue.Prepared, _queue.InFlight));

        Assert.Equal(2, _queue.Submit());
        Assert.Equal((0, 2), (_queue.Prepared, _queue.InFlight));
        Assert.True(_queue.SubmitAndWait(2, Patience));
        int count = _queue.TakeCompletions(_completions);

        Assert.Equal(2, count);
        Assert.Equal(new IoUringCompletion(11, 0, 0), _completions[0]);
        Assert.Equal(new IoUringCompletion(22, 0, 0), _completions[1]);
        Assert.Equal(0, _queue.InFlight);
    }

    [Fact]
    public void TryPrepare_SubmissionRingFull_IsFalseUntilSubmitted()
    {
        for (int count = 0; count < _queue.Entries; count++)
        {
            Assert.True(_queue.TryPrepareNop(0));
        }

        Assert.False(_queue.TryPrepareNop(0));
        _queue.Submit();

        Assert.True(_queue.TryPrepareNop(0));
    }

    [Fact]
    public void TryPrepare_AsManyOnTheirWayAsTheCompletionRingHolds_IsFalseUntilTaken()
    {
        for (int count = 0; count < _queue.InFlightMax; count++)
        {
            Assert.True(_queue.TryPrepareNop(0));
            _queue.Submit();
        }

        Assert.False(_queue.TryPrepareNop(0));
        _queue.SubmitAndWait(_queue.InFlightMax, Patience);
        Assert.Equal(_queue.InFlightMax, _queue.TakeCompletions(_completions));

        Assert.True(_queue.TryPrepareNop(0));
    }

    [Fact]
    public void Submit_MoreThanBothRingsManyTimesOver_KeepsOrderAndCount()
    {
        const ulong Requests = 5_000;
        ulong submitted = 0;
        ulong completed = 0;
        while (completed < Requests)
        {
            while (submitted < Requests && _queue.TryPrepareNop(submitted))
            {
                submitted++;
            }

            _queue.SubmitAndWait(1, Patience);
            int count = _queue.TakeCompletions(_completions.AsSpan(0, 5));
            for (int index = 0; index < count; index++)
            {
                Assert.Equal(completed, _completions[index].UserData);
                completed++;
            }
        }

        Assert.Equal(0, _queue.InFlight);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WriteAndRead_OneBuffer_CarriesBytes(bool isInTable)
    {
        using IoUringQueue queue = new(new IoUringOptions { FilesMax = 1 });
        using IoUringFile? occupant = isInTable ? null : queue.Attach(_memory.Handle);
        using IoUringFile file = queue.Attach(_memory.Handle);
        Fill(0, 100, 0x41);

        Assert.True(queue.TryPrepareWrite(file, 1000, Piece(0, 100), 1));
        Assert.Equal(100, Complete(queue, 1).Result);
        Assert.True(queue.TryPrepareRead(file, 999, Piece(Page, 102), 2));
        Assert.Equal(102, Complete(queue, 2).Result);

        Assert.Equal(0, _buffer.GetSpan(Page, 1)[0]);
        Assert.False(_buffer.GetSpan(Page + 1, 100).ContainsAnyExcept((byte)0x41));
        Assert.Equal(0, _buffer.GetSpan(Page + 101, 1)[0]);
    }

    [Fact]
    public void WriteAndRead_Vectors_CarryBytesInOrder()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);
        Fill(0, 10, 1);
        Fill(100, 20, 2);
        Fill(200, 30, 3);

        Assert.True(_queue.TryPrepareWriteVector(file, 0, [Piece(0, 10), Piece(100, 20), Piece(200, 30)], 1));
        Assert.Equal(60, Complete(_queue, 1).Result);
        Assert.True(_queue.TryPrepareReadVector(file, 0, [Piece(Page, 35), Piece(Page + 100, 25)], 2));
        Assert.Equal(60, Complete(_queue, 2).Result);

        Assert.Equal(1, _buffer.GetSpan(Page + 9, 1)[0]);
        Assert.Equal(2, _buffer.GetSpan(Page + 29, 1)[0]);
        Assert.Equal(3, _buffer.GetSpan(Page + 34, 1)[0]);
        Assert.Equal(3, _buffer.GetSpan(Page + 124, 1)[0]);
    }

    [Fact]
    public void TryPrepareVector_MoreVectorsThanTheArenaHolds_IsFalseUntilSubmitted()
    {
        const int VectorsMax = 1024;
        using IoUringFile file = _queue.Attach(_memory.Handle);
        var vectors = new IoVector[VectorsMax];
        Array.Fill(vectors, Piece(0, 1));

        Assert.True(_queue.TryPrepareWriteVector(file, 0, vectors, 1));
        Assert.False(_queue.TryPrepareWriteVector(file, 0, vectors, 2));
        Assert.Equal(VectorsMax, Complete(_queue, 1).Result);

        Assert.True(_queue.TryPrepareWriteVector(file, 0, vectors, 2));
        Assert.Equal(VectorsMax, Complete(_queue, 2).Result);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            _queue.TryPrepareWriteVector(file, 0, new IoVector[VectorsMax + 1], 3)
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => _queue.TryPrepareWriteVector(file, 0, [], 3));
        Assert.Equal(0, _queue.Prepared);
    }

    [Fact]
    public void Read_BehindTheEnd_IsShortAndThenEmpty()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);

        _queue.TryPrepareRead(file, (64 * 1024) - 10, Piece(0, 100), 1);
        Assert.Equal(10, Complete(_queue, 1).Result);
        _queue.TryPrepareRead(file, 64 * 1024, Piece(0, 100), 2);

        Assert.Equal(0, Complete(_queue, 2).Result);
    }

    [Fact]
    public void Read_IntoMemoryThatIsNotThere_CompletesWithAnError()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);

        _queue.TryPrepareRead(file, 0, new IoVector(Page, 100), 1);

        Assert.Equal(Errno.EFAULT, Complete(_queue, 1).Error);
    }

    [Fact]
    public void Write_ToSealedFile_CompletesWithAnError()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);
        _memory.Seal(MemorySeals.Write);

        _queue.TryPrepareWrite(file, 0, Piece(0, 100), 1);

        Assert.Equal(Errno.EPERM, Complete(_queue, 1).Error);
    }

    [Fact]
    public void Submit_FailingRequestInTheMiddle_CompletesAllOfThem()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);

        _queue.TryPrepareNop(1);
        _queue.TryPrepareWrite(file, -7, Piece(0, 1), 2);
        _queue.TryPrepareNop(3);
        Assert.Equal(3, _queue.Submit());
        _queue.SubmitAndWait(3, Patience);

        Assert.Equal(3, _queue.TakeCompletions(_completions));
        var byNumber = _completions
            .Take(3)
            .ToDictionary(completion => completion.UserData, completion => completion.Error);
        Assert.Equal(Errno.None, byNumber[1]);
        Assert.Equal(Errno.EINVAL, byNumber[2]);
        Assert.Equal(Errno.None, byNumber[3]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Sync_OfAFileOnDisk_Completes(bool isDataOnly)
    {
        using TemporaryFolder folder = new();
        using SafeFileHandle handle = File.OpenHandle(folder["file"], FileMode.Create, FileAccess.ReadWrite);
        using IoUringFile file = _queue.Attach(handle);
        Fill(0, Page, 7);

        _queue.TryPrepareWrite(file, 0, Piece(0, Page), 1, ReadWriteFlags.DataSync);
        Assert.Equal(Page, Complete(_queue, 1).Result);
        Assert.True(_queue.TryPrepareSync(file, isDataOnly, 2));

        Assert.Equal(0, Complete(_queue, 2).Result);
        Assert.Equal(Page, new FileInfo(folder["file"]).Length);
    }

    [Fact]
    public void Allocate_PunchHole_ZeroesTheRange()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);
        Fill(0, 2 * Page, 9);
        _queue.TryPrepareWrite(file, 0, Piece(0, 2 * Page), 1);
        Complete(_queue, 1);

        Assert.True(_queue.TryPrepareAllocate(file, AllocateMode.PunchHole, 0, Page, 2));
        Assert.Equal(0, Complete(_queue, 2).Result);
        _queue.TryPrepareRead(file, 0, Piece(0, 2 * Page), 3);
        Complete(_queue, 3);

        Assert.Equal(0, _buffer.GetSpan(Page - 1, 1)[0]);
        Assert.Equal(9, _buffer.GetSpan(Page, 1)[0]);
    }

    [Fact]
    public void FixedBuffers_CarryBytesAndRefuseWhatIsOutside()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);
        Assert.Equal(Errno.None, _queue.TryRegisterBuffers([Piece(0, Page), Piece(2 * Page, Page)]));
        Fill(2 * Page, Page, 5);

        _queue.TryPrepareWriteFixed(file, 0, Piece((2 * Page) + 10, 100), 1, 1);
        Assert.Equal(100, Complete(_queue, 1).Result);
        _queue.TryPrepareReadFixed(file, 0, Piece(0, 100), 0, 2);
        Assert.Equal(100, Complete(_queue, 2).Result);
        Assert.Equal(5, _buffer.GetSpan(99, 1)[0]);
        _queue.TryPrepareReadFixed(file, 0, Piece(Page - 10, 100), 0, 3);
        Assert.Equal(Errno.EFAULT, Complete(_queue, 3).Error);
        _queue.TryPrepareReadFixed(file, 0, Piece(0, 100), 7, 4);
        Assert.Equal(Errno.EFAULT, Complete(_queue, 4).Error);

        Assert.Equal(Errno.None, _queue.TryRegisterBuffers([Piece(Page, Page)]));
        Assert.Equal(Errno.None, _queue.TryRegisterBuffers([]));
        Assert.Equal(Errno.None, _queue.TryRegisterBuffers([]));
        Assert.Equal(Errno.EFAULT, _queue.TryRegisterBuffers([new IoVector(Page, Page)]));
    }

    [Fact]
    public void Poll_DescriptorBecomesReady_Completes()
    {
        using var signal = EventFd.Create();
        using IoUringFile file = _queue.Attach(signal.Handle);
        _queue.TryPreparePoll(file, LoopEvents.Readable, 1);
        _queue.Submit();
        Assert.Equal(0, _queue.TakeCompletions(_completions));

        signal.Signal();

        Assert.Equal((int)LoopEvents.Readable, Complete(_queue, 1).Result);
    }

    [Fact]
    public void Cancel_WaitingRequest_CompletesBoth()
    {
        using var signal = EventFd.Create();
        using IoUringFile file = _queue.Attach(signal.Handle);
        _queue.TryPreparePoll(file, LoopEvents.Readable, 1);
        _queue.Submit();

        _queue.TryPrepareCancel(1, 2);
        _queue.TryPrepareCancel(99, 3);
        Assert.True(_queue.SubmitAndWait(3, Patience));
        int count = _queue.TakeCompletions(_completions);

        var byNumber = _completions
            .Take(count)
            .ToDictionary(completion => completion.UserData, completion => completion.Error);
        Assert.Equal(Errno.ECANCELED, byNumber[1]);
        Assert.Equal(Errno.None, byNumber[2]);
        Assert.Equal(Errno.ENOENT, byNumber[3]);
    }

    [Fact]
    public void SubmitAndWait_NothingCompletes_GivesUpAfterItsTime()
    {
        using var signal = EventFd.Create();
        using IoUringFile file = _queue.Attach(signal.Handle);
        _queue.TryPreparePoll(file, LoopEvents.Readable, 1);

        Assert.False(_queue.SubmitAndWait(1, TimeSpan.FromMilliseconds(5)));
    }

    [Fact]
    public void Dispose_RequestsThatWouldNeverComplete_CancelsThem()
    {
        using var signal = EventFd.Create();
        IoUringQueue queue = new();
        IoUringFile file = queue.Attach(signal.Handle);
        queue.TryPreparePoll(file, LoopEvents.Readable, 1);
        queue.TryPreparePoll(file, LoopEvents.Readable, 2);
        queue.Submit();

        queue.Dispose();
        file.Dispose();

        Assert.Equal(0, queue.InFlight);
        Assert.Throws<ObjectDisposedException>(() => queue.TryPrepareNop(1));
        Assert.Throws<ObjectDisposedException>(() => queue.Submit());
    }

    [Fact]
    public void Detach_WithPreparedRequest_SubmitsItBeforeItsPlaceIsGivenAway()
    {
        using IoUringQueue queue = new(new IoUringOptions { FilesMax = 1 });
        using var other = MemoryFile.Create("other", Page);
        Fill(0, 4, 0x33);
        IoUringFile first = queue.Attach(_memory.Handle);
        queue.TryPrepareWrite(first, 0, Piece(0, 4), 1);
        first.Dispose();
        using IoUringFile second = queue.Attach(other.Handle);
        queue.TryPrepareRead(second, 0, Piece(Page, 4), 2);
        queue.SubmitAndWait(2, Patience);

        Assert.Equal(2, queue.TakeCompletions(_completions));
        Assert.Equal(0, _buffer.GetSpan(Page, 1)[0]);
        using var written = MemoryMapping.Map(_memory.Handle, 0, 4, MappingAccess.Read);
        Assert.Equal(0x33, written.GetSpan(0, 1)[0]);
        Assert.Throws<ArgumentException>(() => queue.TryPrepareRead(first, 0, Piece(0, 1), 3));
    }

    [Fact]
    public void Attach_HandleClosedByItsOwner_StaysOpenUntilDetached()
    {
        IoUringFile file = _queue.Attach(_memory.Handle);
        _memory.Handle.Dispose();

        _queue.TryPrepareRead(file, 0, Piece(0, 10), 1);

        Assert.Equal(10, Complete(_queue, 1).Result);
        file.Dispose();
    }

    [Fact]
    public void TryPrepare_FileOfAnotherQueue_Throws()
    {
        using IoUringQueue other = new();
        using IoUringFile file = other.Attach(_memory.Handle);

        Assert.Throws<ArgumentException>(() => _queue.TryPrepareRead(file, 0, Piece(0, 10), 1));
        Assert.Equal(0, _queue.Prepared);
    }

    [Fact]
    public void Submit_OnAnotherThreadThanSetUp_BelongsToThatThread()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);
        int result = -1;
        Thread thread = new(() =>
        {
            _queue.TryPrepareRead(file, 0, Piece(0, 10), 1);
            result = Complete(_queue, 1).Result;
        });
        thread.Start();
        thread.Join();

        Assert.Equal(10, result);
    }

    [Fact]
    public void Handle_Armed_WakesALoopForEachCompletion()
    {
        const int Rounds = 50;
        using EventLoop loop = new();
        (UnixChannel near, UnixChannel far) = UnixChannel.CreatePair();
        using UnixChannel sender = near;
        using UnixChannel receiver = far;
        using IoUringFile file = _queue.Attach(receiver.Handle);
        byte[] bytes = new byte[16];
        int taken = 0;
        ScriptedTask? task = null;
        task = new ScriptedTask(
            () =>
            {
                int count = _queue.TakeCompletions(_completions);
                taken += count;
                if (count != 0)
                {
                    receiver.TryReceive(bytes, out _);
                    _queue.TryPreparePoll(file, LoopEvents.Readable, 1);
                    _queue.Submit();
                }

                if (taken == Rounds)
                {
                    loop.Stop();
                }

                return count != 0;
            },
            _queue.TryArm
        );
        loop.Add(task);
        DelegateWatcher watcher = new((_, _) => task.Activate());
        using LoopWatch watch = loop.Watch(_queue.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, watcher);
        _queue.TryPreparePoll(file, LoopEvents.Readable, 1);
        _queue.Submit();
        task.Activate();
        var pace = TimeSpan.FromMilliseconds(1);
        using LoopTimer timer = loop.StartTimer(pace, pace, () => sender.TrySend("x"u8, out _));

        EventLoopTests.RunWithPatience(loop);

        Assert.Equal(Rounds, taken);
        // At most one signal for each; fewer when completions come while the loop is awake.
        Assert.InRange(watcher.Calls, 1, Rounds);
    }

    [Fact]
    public void TryArm_CompletionIsThere_IsFalse()
    {
        Assert.True(_queue.TryArm());
        _queue.TryPrepareNop(1);
        _queue.Submit();

        Assert.False(_queue.TryArm());
        Assert.Equal(1, _queue.TakeCompletions(_completions));
        Assert.True(_queue.TryArm());
    }

    [Fact]
    public void TakeCompletions_KernelWork_ArrivesByPollingAlone()
    {
        using var signal = EventFd.Create();
        using IoUringFile file = _queue.Attach(signal.Handle);
        _queue.TryPreparePoll(file, LoopEvents.Readable, 1);
        _queue.Submit();
        Thread other = new(() => signal.Signal());
        other.Start();

        bool hasArrived = SpinWait.SpinUntil(() => _queue.TakeCompletions(_completions) == 1, Patience);

        other.Join();
        Assert.True(hasArrived);
    }

    [Fact]
    public void KernelThread_TakesRequests()
    {
        using IoUringQueue queue = new(
            new IoUringOptions { Entries = 8, KernelThreadIdle = TimeSpan.FromMilliseconds(1) }
        );
        using IoUringFile file = queue.Attach(_memory.Handle);
        Fill(0, 100, 0x21);
        for (ulong round = 0; round < 1_500; round++)
        {
            Assert.True(queue.TryPrepareWriteVector(file, 0, [Piece(0, 50), Piece(50, 50)], round));
            Assert.Equal(100, Complete(queue, round).Result);
        }
    }

    [Fact]
    public void Options_OutOfRange_Throw()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new IoUringQueue(new IoUringOptions { Entries = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IoUringQueue(new IoUringOptions { Entries = 40_000 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IoUringQueue(new IoUringOptions { InFlightMax = -1 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new IoUringQueue(new IoUringOptions { FilesMax = 0 }));
    }

    [Fact]
    public void RequestsAndCompletions_AllocateNothing()
    {
        using IoUringFile file = _queue.Attach(_memory.Handle);

        Allocations.AssertNone(() =>
        {
            for (ulong round = 0; round < 2_000; round++)
            {
                _queue.TryPrepareWriteVector(file, 0, [Piece(0, 50), Piece(50, 50)], round);
                _queue.TryPrepareRead(file, 0, Piece(0, 100), round);
                _queue.SubmitAndWait(2, Patience);
                _queue.TakeCompletions(_completions);
            }
        });
    }

    private IoVector Piece(int offset, int length) => new(_buffer.Address + offset, (nuint)length);

    private void Fill(int offset, int length, byte value) => _buffer.GetSpan((nuint)offset, length).Fill(value);

    /// <summary>Submits and takes the one completion there is.</summary>
    private static IoUringCompletion Complete(IoUringQueue queue, ulong userData)
    {
        Span<IoUringCompletion> completions = stackalloc IoUringCompletion[2];
        Assert.True(queue.SubmitAndWait(1, Patience));
        Assert.Equal(1, queue.TakeCompletions(completions));
        Assert.Equal(userData, completions[0].UserData);
        return completions[0];
    }
}
