namespace Vireo.Linux.IoUring;

/// <summary>How a queue is made.</summary>
public sealed class IoUringOptions
{
    /// <summary>Requests that can be prepared between two submissions: 1 to 32768, rounded up to a power of two.</summary>
    public int Entries { get; init; } = 256;

    /// <summary>Requests that can be on their way at once; 0 for four times the entries. At most 65536.</summary>
    public int InFlightMax { get; init; }

    /// <summary>Files that can be attached at once, 1 to 32768.</summary>
    public int FilesMax { get; init; } = 64;

    /// <summary>Completions are polled from the device (IORING_SETUP_IOPOLL): O_DIRECT files on devices with poll queues, reads and
    /// writes only.</summary>
    public bool PollsDevice { get; init; }

    /// <summary>
    /// How long a thread of the kernel goes on looking for requests before it sleeps (IORING_SETUP_SQPOLL), which saves the
    /// system call of a submission and costs a processor. Null, the default, for no such thread.
    /// </summary>
    public TimeSpan? KernelThreadIdle { get; init; }
}
