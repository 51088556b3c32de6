using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Linux.Native;

namespace Vireo.Linux.IoUring;

/// <summary>A submission and a completion ring shared with the kernel (io_uring). Needs Linux 5.11.</summary>
/// <remarks>
/// <para>
/// Prepare requests, submit them with one system call, and take completions from memory. The queue belongs to the thread that
/// first submits; before that, one thread at a time may set it up. Nothing allocates after set-up.
/// </para>
/// <para>
/// Memory named by a request is the kernel's until the request's completion was taken; lists of vectors are copied when the
/// request is prepared. Whoever frees that memory, or unmaps it, has to have all completions first: see <see cref="InFlight"/>
/// and <see cref="SubmitAndWait"/>.
/// </para>
/// <para>
/// A loop that sleeps watches <see cref="Handle"/>, edge-triggered, and calls <see cref="TryArm"/> before each sleep: it asks for
/// one signal, which costs nothing while the loop is awake. (The ring's own descriptor would not do: with deferred task work,
/// completions enter the ring only when its thread comes into the kernel, and polling that descriptor misses them.)
/// </para>
/// </remarks>
// SAFETY: the pointers point into mappings this object owns, at offsets the kernel stated; positions are masked by the rings'
// sizes. They are used only by members that have checked _isDisposed, or that run before the constructor has returned.
public sealed unsafe partial class IoUringQueue : IDisposable
{
    private const int EntriesMax = 32768;
    private const int InFlightLimit = 65536;

    /// <summary>How long Dispose waits for requests on their way: longer means that a device is stuck.</summary>
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long to offer requests to a kernel that has no memory for them.</summary>
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(1);

    private readonly SafeFileHandle _ring;
    private readonly EventFd _signal;
    private readonly MemoryMapping _rings;
    private readonly MemoryMapping _entries;

    /// <summary>The flags of IORING_SETUP_* the kernel accepted.</summary>
    private readonly uint _setupFlags;

    private bool _isDisposed;

    /// <summary>Makes a queue.</summary>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="LinuxException">
    /// ENOSYS: no io_uring in this kernel; EPERM: forbidden by the administrator or a sandbox; EOPNOTSUPP: the kernel is older than
    /// 5.11; ENOMEM: the limit of locked memory is reached (kernels before 5.12).
    /// </exception>
    public IoUringQueue(IoUringOptions? options = null)
    {
        options ??= new IoUringOptions();
        ThrowIfOutOfRange(options);
        io_uring_params parameters;
        _signal = EventFd.Create();
        try
        {
            _ring = SetUp(options, &parameters);
            ThrowIfTooOld(parameters.features);
            _setupFlags = parameters.flags;
            _rings = MapRings(_ring, parameters);
            _entries = MapEntries(_ring, parameters);
            _submission = new SubmissionRing(_rings.Address, _entries.Address, parameters);
            _completion = new CompletionRing(_rings.Address, parameters);
            _vectors = new IoVectorArena(parameters.sq_entries);
            _slots = new bool[options.FilesMax];
            RegisterSignal();
            _hasFileTable = RegisterEmptyTable(options.FilesMax);
        }
        catch
        {
            _vectors?.Dispose();
            _entries?.Dispose();
            _rings?.Dispose();
            _ring?.Dispose();
            _signal.Dispose();
            throw;
        }
    }

    /// <summary>Signalled, once armed, when a completion is ready. To be watched edge-triggered. It stays this object's.</summary>
    public SafeFileHandle Handle => _signal.Handle;

    /// <summary>Requests that were submitted and whose completions have not been taken.</summary>
    public int InFlight => (int)(_outstanding - Prepared);

    /// <summary>Requests that were prepared and not yet submitted.</summary>
    public int Prepared => (int)_submission.Prepared;

    /// <summary>Requests that can be prepared between two submissions.</summary>
    public int Entries => (int)_submission.Size;

    /// <summary>Requests that can be prepared or on their way at once.</summary>
    public int InFlightMax => (int)_completion.Size;

    /// <summary>Whether a queue can be made on this machine, in this process.</summary>
    /// <param name="reason">Why not, as a sentence for people; empty when it can.</param>
    public static bool IsSupported(out string reason)
    {
        try
        {
            using IoUringQueue queue = new(new IoUringOptions { Entries = 1, FilesMax = 1 });
            reason = queue.FindMissingOperation();
        }
        catch (LinuxException exception)
        {
            reason = exception.Error switch
            {
                Errno.ENOSYS => "this kernel is built without io_uring",
                Errno.EPERM or Errno.EACCES =>
                    "io_uring is forbidden here, by kernel.io_uring_disabled or by a sandbox around this process",
                Errno.EOPNOTSUPP => "this kernel's io_uring is older than Linux 5.11",
                _ => exception.Message,
            };
        }

        return reason.Length == 0;
    }

    /// <summary>Cancels what can be cancelled, waits for requests on their way (at most 30 seconds), and closes the queue.</summary>
    /// <remarks>Completions that nobody has taken are dropped. On the queue's thread, or on any when nothing is on its way.</remarks>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        Drain();
        _isDisposed = true;
        _ring.Dispose();
        _signal.Dispose();
        _entries.Dispose();
        _rings.Dispose();
        _vectors.Dispose();
    }

    private static void ThrowIfOutOfRange(IoUringOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Entries, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Entries, EntriesMax, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.InFlightMax, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.InFlightMax, InFlightLimit, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FilesMax, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.FilesMax, EntriesMax, nameof(options));
    }

    /// <summary>Tries ways to set up, the best first: an older kernel answers EINVAL to a flag it does not know.</summary>
    private static SafeFileHandle SetUp(IoUringOptions options, io_uring_params* parameters)
    {
        const uint Single = LibC.IORING_SETUP_SINGLE_ISSUER;
        const uint Flag = LibC.IORING_SETUP_TASKRUN_FLAG;
        const uint Coop = LibC.IORING_SETUP_COOP_TASKRUN | Flag;
        // Completions that are deferred to our own next system call cost no interrupt in the middle of a turn; the flag in
        // the ring says when such a call is due. A thread of the kernel does without all of that.
        ReadOnlySpan<uint> ways = options.KernelThreadIdle is null
            ? [Single | LibC.IORING_SETUP_DEFER_TASKRUN | Flag, Single | Coop, Coop, 0]
            : [Single | LibC.IORING_SETUP_SQPOLL, LibC.IORING_SETUP_SQPOLL];
        SafeFileHandle ring;
        int way = 0;
        do
        {
            *parameters = Describe(options);
            parameters->flags |= ways[way];
            ring = LibC.io_uring_setup((uint)options.Entries, parameters);
            way++;
        } while (ring.IsInvalid && LinuxException.LastError == Errno.EINVAL && way < ways.Length);

        return LinuxException.ThrowIfInvalid(ring, nameof(LibC.io_uring_setup));
    }

    private static io_uring_params Describe(IoUringOptions options)
    {
        uint inFlight = (uint)(options.InFlightMax == 0 ? options.Entries * 4 : options.InFlightMax);
        return new io_uring_params
        {
            // Disabled at first: with a single issuer, the thread that enables it is the one.
            flags =
                LibC.IORING_SETUP_CLAMP
                | LibC.IORING_SETUP_CQSIZE
                | LibC.IORING_SETUP_R_DISABLED
                | (options.PollsDevice ? LibC.IORING_SETUP_IOPOLL : 0),
            cq_entries = Math.Min(Math.Max(inFlight, (uint)options.Entries), InFlightLimit),
            sq_thread_idle = (uint)Math.Max(options.KernelThreadIdle?.TotalMilliseconds ?? 0, 0),
        };
    }

    private static void ThrowIfTooOld(uint features)
    {
        const uint Needed =
            LibC.IORING_FEAT_SINGLE_MMAP
            | LibC.IORING_FEAT_NODROP
            | LibC.IORING_FEAT_SUBMIT_STABLE
            | LibC.IORING_FEAT_EXT_ARG;
        if ((features & Needed) != Needed)
        {
            throw new LinuxException(Errno.EOPNOTSUPP, nameof(LibC.io_uring_setup));
        }
    }

    /// <summary>Maps both rings; with IORING_FEAT_SINGLE_MMAP they are one piece.</summary>
    private static MemoryMapping MapRings(SafeFileHandle ring, io_uring_params parameters)
    {
        nuint submission = parameters.sq_off.array + ((nuint)parameters.sq_entries * sizeof(uint));
        nuint completion = parameters.cq_off.cqes + ((nuint)parameters.cq_entries * (nuint)sizeof(io_uring_cqe));
        nuint length = Math.Max(submission, completion);
        const MappingAccess Access = MappingAccess.ReadWrite;
        return MemoryMapping.Map(ring, LibC.IORING_OFF_SQ_RING, length, Access, MappingOptions.Populate);
    }

    private static MemoryMapping MapEntries(SafeFileHandle ring, io_uring_params parameters)
    {
        nuint length = (nuint)parameters.sq_entries * (nuint)sizeof(io_uring_sqe);
        const MappingAccess Access = MappingAccess.ReadWrite;
        return MemoryMapping.Map(ring, LibC.IORING_OFF_SQES, length, Access, MappingOptions.Populate);
    }

    /// <summary>Asks the kernel which operations it has.</summary>
    /// <returns>A sentence about the first of ours that is missing, or nothing.</returns>
    private string FindMissingOperation()
    {
        const int Operations = 256;
        ReadOnlySpan<byte> needed =
        [
            LibC.IORING_OP_READ,
            LibC.IORING_OP_WRITE,
            LibC.IORING_OP_READV,
            LibC.IORING_OP_WRITEV,
            LibC.IORING_OP_READ_FIXED,
            LibC.IORING_OP_WRITE_FIXED,
            LibC.IORING_OP_FSYNC,
            LibC.IORING_OP_FALLOCATE,
            LibC.IORING_OP_POLL_ADD,
            LibC.IORING_OP_ASYNC_CANCEL,
        ];
        int length = sizeof(io_uring_probe) + (Operations * sizeof(io_uring_probe_op));
        byte* buffer = stackalloc byte[length];
        new Span<byte>(buffer, length).Clear();
        if (LibC.io_uring_register(_ring, LibC.IORING_REGISTER_PROBE, buffer, Operations) < 0)
        {
            return "this kernel does not say which io_uring operations it has";
        }

        var operations = (io_uring_probe_op*)(buffer + sizeof(io_uring_probe));
        foreach (byte operation in needed)
        {
            if ((operations[operation].flags & LibC.IO_URING_OP_SUPPORTED) == 0)
            {
                return $"this kernel has no io_uring operation {operation}";
            }
        }

        return "";
    }
}
