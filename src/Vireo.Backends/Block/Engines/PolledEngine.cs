using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.IoUring;

namespace Vireo.Backends.Block.Engines;

/// <summary>Two rings: one whose completions the device is asked for (IOPOLL), and one for what cannot be asked for.</summary>
/// <remarks>
/// The kernel polls plain reads and writes with O_DIRECT. What goes through the page cache, has to be stable when it completes, or moves no
/// data takes the other ring; so does everything once the kernel has said that it polls this file no more.
/// </remarks>
internal sealed class PolledEngine : IFileEngine, IMemoryRegistrar, IFileCompletions
{
    private readonly UringEngine _polled;
    private readonly UringEngine _plain;
    private readonly IFileCompletions _completions;

    /// <summary>What the polled ring is doing, by tag.</summary>
    private readonly FileRequest[] _requests;

    /// <summary>Whether the kernel has refused to poll.</summary>
    private bool _cannotPoll;

    /// <summary>Makes an engine.</summary>
    /// <param name="loop">The queue's loop.</param>
    /// <param name="files">The descriptors; stay the caller's.</param>
    /// <param name="tagCount">How many requests there are at once.</param>
    /// <param name="completions">Told of their ends.</param>
    /// <exception cref="LinuxException">The host does not allow another ring.</exception>
    public PolledEngine(EventLoop loop, FilePair files, int tagCount, IFileCompletions completions)
    {
        _completions = completions;
        _requests = new FileRequest[tagCount];
        _plain = new(loop, files, tagCount, completions);
        try
        {
            _polled = new(loop, files, tagCount, this, pollsDevice: true);
        }
        catch
        {
            _plain.Dispose();
            throw;
        }
    }

    /// <summary>Finds out, by a read of the first block, whether the kernel polls a file.</summary>
    /// <param name="file">The file, opened with O_DIRECT.</param>
    /// <param name="alignment">What offsets, lengths and memory have to be multiples of.</param>
    /// <param name="reason">Why not, as a sentence for people; empty when it does.</param>
    public static bool CanPoll(SafeFileHandle file, int alignment, out string reason)
    {
        int length = Math.Max(alignment, Environment.SystemPageSize);
        using OwnedMemory memory = new((ulong)length);
        Errno error;
        try
        {
            using IoUringQueue queue = new(
                new()
                {
                    Entries = 1,
                    FilesMax = 1,
                    PollsDevice = true,
                }
            );
            using IoUringFile attached = queue.Attach(file);
            queue.TryPrepareRead(attached, 0, new(memory.Address, (nuint)length), userData: 0);
            queue.SubmitAndWait(1, Timeout.InfiniteTimeSpan);
            var completions = new IoUringCompletion[1];
            error = queue.TakeCompletions(completions) == 1 ? completions[0].Error : Errno.EIO;
        }
        catch (LinuxException exception)
        {
            error = exception.Error;
        }

        reason = error switch
        {
            Errno.None => "",
            Errno.EOPNOTSUPP =>
                "the device behind the file has no queues that are polled, or the file system does not pass that on",
            _ => $"a trial ended with {error}",
        };
        return error == Errno.None;
    }

    /// <inheritdoc/>
    public void Start()
    {
        _plain.Start();
        _polled.Start();
    }

    /// <inheritdoc/>
    public string? Register(GuestMemory memory) => _polled.Register(memory);

    /// <inheritdoc/>
    public void Submit(uint tag, in FileRequest request)
    {
        bool isTransfer = request.Operation is FileOperation.Read or FileOperation.Write;
        if (!isTransfer || request.IsStable || request.File != FileChoice.Main || _cannotPoll)
        {
            _plain.Submit(tag, in request);
            return;
        }

        _requests[tag] = request;
        _polled.Submit(tag, in request);
    }

    /// <summary>The polled ring has ended a request.</summary>
    public void Complete(uint tag, int result)
    {
        if (result == -(int)Errno.EOPNOTSUPP)
        {
            _cannotPoll = true;
            _plain.Submit(tag, in _requests[tag]);
            return;
        }

        _completions.Complete(tag, result);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _polled.Dispose();
        _plain.Dispose();
    }
}
