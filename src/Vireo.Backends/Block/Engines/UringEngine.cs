using System.Diagnostics;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.IoUring;

namespace Vireo.Backends.Block.Engines;

/// <summary>The engine where the host allows io_uring: what a turn of the queue brings goes to the kernel with one system call.</summary>
internal sealed class UringEngine : LoopMember, IFileEngine, IMemoryRegistrar, ILoopWatcher
{
    /// <summary>Requests per submission: more than a turn of the queue takes.</summary>
    private const int EntriesMax = 256;

    /// <summary>Completions taken from the ring at once.</summary>
    private const int CompletionsAtOnce = 64;

    private readonly IFileCompletions _completions;
    private readonly IoUringQueue _queue;
    private readonly IoUringFile _main;
    private readonly IoUringFile _cached;
    private readonly IoUringCompletion[] _taken = new IoUringCompletion[CompletionsAtOnce];

    /// <summary>Requests for which the ring has no room at present.</summary>
    private readonly Queue<(uint Tag, FileRequest Request)> _waiting = new();

    private LoopWatch? _watch;

    /// <summary>The memory that the kernel knows; null for none.</summary>
    private RegisteredMemory? _memory;

    /// <summary>Requests that were submitted when the kernel had no memory for them; they go with the next submission.</summary>
    private int _untaken;

    /// <summary>Makes an engine.</summary>
    /// <param name="loop">The queue's loop.</param>
    /// <param name="files">The descriptors; stay the caller's.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    /// <param name="pollsDevice">Whether the device is asked for completions: reads and writes of the main descriptor only.</param>
    /// <exception cref="Linux.LinuxException">The host does not allow another ring.</exception>
    public UringEngine(
        EventLoop loop,
        FilePair files,
        int tagCount,
        IFileCompletions completions,
        bool pollsDevice = false
    )
        : base(loop)
    {
        _completions = completions;
        _queue = new(
            new IoUringOptions
            {
                Entries = Math.Min(tagCount, EntriesMax),
                InFlightMax = tagCount,
                FilesMax = 2,
                PollsDevice = pollsDevice,
            }
        );
        _main = _queue.Attach(files.Main);
        _cached = ReferenceEquals(files.Main, files.Cached) ? _main : _queue.Attach(files.Cached);
    }

    /// <inheritdoc/>
    public string? Register(GuestMemory memory)
    {
        if (memory is not MappedMemory mapped)
        {
            return "it is behind an I/O translation, or on its way here";
        }

        RegisteredMemory pieces = new(mapped.Regions);
        Errno error = _queue.TryRegisterBuffers(pieces.Vectors);
        _memory = error == Errno.None ? pieces : null;
        return error switch
        {
            Errno.None => null,
            Errno.ENOMEM =>
                $"the limit of locked memory is reached; raise it (ulimit -l, LimitMEMLOCK=) for the {pieces.LengthBytes >> 20} MiB of each queue",
            Errno.EINVAL => $"it is in {pieces.Vectors.Length} pieces, which are too many",
            _ => $"the kernel cannot keep it in place ({error})",
        };
    }

    /// <inheritdoc/>
    public void Submit(uint tag, in FileRequest request)
    {
        if (_waiting.Count > 0 || !TryPrepare(tag, in request))
        {
            _waiting.Enqueue((tag, request));
        }

        Activate();
    }

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events) => Activate();

    /// <inheritdoc/>
    protected override bool Run()
    {
        bool worked = SubmitPrepared();
        int count = _queue.TakeCompletions(_taken);
        for (int index = 0; index < count; index++)
        {
            _completions.Complete((uint)_taken[index].UserData, _taken[index].Result);
        }

        return worked || count > 0;
    }

    /// <inheritdoc/>
    protected override bool TryArm() => !HasUnsubmitted && _queue.TryArm();

    /// <inheritdoc/>
    private protected override void OnStarted(EventLoop loop) =>
        _watch = loop.Watch(_queue.Handle, LoopEvents.Readable | LoopEvents.EdgeTriggered, this);

    /// <inheritdoc/>
    private protected override void OnStopped()
    {
        _watch?.Dispose();
        _main.Dispose();
        _cached.Dispose();
        _queue.Dispose();
    }

    private bool HasUnsubmitted => _queue.Prepared > 0 || _waiting.Count > 0 || _untaken > 0;

    /// <summary>Gives the kernel what was prepared.</summary>
    /// <returns>Whether there was anything to submit.</returns>
    private bool SubmitPrepared()
    {
        if (!HasUnsubmitted)
        {
            return false;
        }

        int total = _untaken + _queue.Prepared;
        _untaken = total - _queue.Submit();
        while (_waiting.TryPeek(out (uint Tag, FileRequest Request) next) && TryPrepare(next.Tag, in next.Request))
        {
            _waiting.Dequeue();
        }

        return true;
    }

    private bool TryPrepare(uint tag, in FileRequest request)
    {
        IoUringFile file = request.File == FileChoice.Main ? _main : _cached;
        return request.Operation switch
        {
            FileOperation.Read or FileOperation.Write => TryPrepareTransfer(file, tag, in request),
            FileOperation.Sync => _queue.TryPrepareSync(file, isDataOnly: true, tag),
            FileOperation.PunchHole => TryPrepareAllocate(file, AllocateMode.PunchHole, tag, in request),
            FileOperation.ZeroRange => TryPrepareAllocate(
                file,
                AllocateMode.ZeroRange | AllocateMode.KeepSize,
                tag,
                in request
            ),
            _ => throw new UnreachableException($"{request.Operation} is not for this engine"),
        };
    }

    private bool TryPrepareTransfer(IoUringFile file, uint tag, in FileRequest request)
    {
        ReadOnlySpan<IoVector> vectors = Vectors(in request);
        ReadWriteFlags flags = request.IsStable ? ReadWriteFlags.DataSync : ReadWriteFlags.None;
        bool isRead = request.Operation == FileOperation.Read;
        if (_memory is not null && vectors.Length == 1 && _memory.TryFind(vectors[0], out ushort piece))
        {
            return isRead
                ? _queue.TryPrepareReadFixed(file, request.OffsetBytes, vectors[0], piece, tag)
                : _queue.TryPrepareWriteFixed(file, request.OffsetBytes, vectors[0], piece, tag, flags);
        }

        return isRead
            ? _queue.TryPrepareReadVector(file, request.OffsetBytes, vectors, tag)
            : _queue.TryPrepareWriteVector(file, request.OffsetBytes, vectors, tag, flags);
    }

    private bool TryPrepareAllocate(IoUringFile file, AllocateMode mode, uint tag, in FileRequest request) =>
        _queue.TryPrepareAllocate(file, mode, request.OffsetBytes, request.LengthBytes, tag);

    private static ReadOnlySpan<IoVector> Vectors(in FileRequest request) =>
        Wire.Reinterpret<Segment, IoVector>((ReadOnlySpan<Segment>)request.Segments.AsSpan());
}
