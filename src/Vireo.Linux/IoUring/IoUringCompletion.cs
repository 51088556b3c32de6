using System.Runtime.InteropServices;

namespace Vireo.Linux.IoUring;

/// <summary>The outcome of one request, laid out like <c>struct io_uring_cqe</c>.</summary>
/// <param name="UserData">The number the request was given.</param>
/// <param name="Result">What the system call would have returned, or a negated <see cref="Errno"/>.</param>
/// <param name="Flags">The kernel's flags; 0 for all requests made here.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct IoUringCompletion(ulong UserData, int Result, uint Flags)
{
    /// <summary>The error, or None.</summary>
    public Errno Error => Result < 0 ? (Errno)(-Result) : Errno.None;
}
