using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Engines;

/// <summary>The engine where io_uring is not allowed, and for what it cannot do: worker threads make blocking calls.</summary>
internal sealed class ThreadEngine : WorkerMember, IFileEngine
{
    private readonly FilePair _files;
    private readonly OwnedMemory _zeroes;
    private readonly IFileCompletions _completions;

    /// <summary>The requests on their way, by tag: written before the tag is handed to a worker, read by it.</summary>
    private readonly FileRequest[] _requests;

    /// <summary>Makes an engine.</summary>
    /// <param name="loop">The queue's loop.</param>
    /// <param name="workers">Who makes the calls.</param>
    /// <param name="files">The descriptors; stay the caller's.</param>
    /// <param name="zeroes">Zeroes to write from; stay the caller's.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    public ThreadEngine(
        EventLoop loop,
        WorkerPool workers,
        FilePair files,
        OwnedMemory zeroes,
        int tagCount,
        IFileCompletions completions
    )
        : base(loop, workers, tagCount)
    {
        _files = files;
        _zeroes = zeroes;
        _completions = completions;
        _requests = new FileRequest[tagCount];
    }

    /// <inheritdoc/>
    public void Submit(uint tag, in FileRequest request)
    {
        _requests[tag] = request;
        Enqueue(tag);
    }

    /// <inheritdoc/>
    private protected override int CarryOut(uint tag) => (int)CarryOut(in _requests[tag]);

    /// <inheritdoc/>
    private protected override void Deliver(uint tag, int result) => _completions.Complete(tag, result);

    private long CarryOut(in FileRequest request)
    {
        SafeFileHandle file = _files.Of(request.File);
        return request.Operation switch
        {
            FileOperation.Read => HostFile.Read(file, request.OffsetBytes, Vectors(in request)),
            FileOperation.Write => HostFile.Write(
                file,
                request.OffsetBytes,
                Vectors(in request),
                request.IsStable ? ReadWriteFlags.DataSync : ReadWriteFlags.None
            ),
            FileOperation.Sync => HostFile.Sync(file),
            FileOperation.PunchHole => Allocate(file, AllocateMode.PunchHole, in request),
            FileOperation.ZeroRange => Allocate(file, AllocateMode.ZeroRange | AllocateMode.KeepSize, in request),
            FileOperation.DiscardBlocks => BlockDeviceLimits.Discard(file, request.OffsetBytes, request.LengthBytes),
            FileOperation.SecureEraseBlocks => BlockDeviceLimits.SecureErase(
                file,
                request.OffsetBytes,
                request.LengthBytes
            ),
            FileOperation.WriteZeroBytes => WriteZeroBytes(file, in request),
            _ => throw new UnreachableException($"no such operation: {request.Operation}"),
        };
    }

    private static long Allocate(SafeFileHandle file, AllocateMode mode, in FileRequest request) =>
        HostFile.Allocate(file, mode, request.OffsetBytes, request.LengthBytes);

    private long WriteZeroBytes(SafeFileHandle file, in FileRequest request)
    {
        long done = 0;
        while (done < request.LengthBytes)
        {
            nuint length = (nuint)Math.Min(request.LengthBytes - done, (long)_zeroes.LengthBytes);
            long result = HostFile.Write(file, request.OffsetBytes + done, [new IoVector(_zeroes.Address, length)]);
            if (result <= 0)
            {
                return result == 0 ? -(long)Errno.EIO : result;
            }

            done += result;
        }

        return 0;
    }

    private static ReadOnlySpan<IoVector> Vectors(in FileRequest request) =>
        Wire.Reinterpret<Segment, IoVector>((ReadOnlySpan<Segment>)request.Segments.AsSpan());
}
