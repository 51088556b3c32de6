using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Vireo.Linux;

/// <summary>A system call failed in a way its caller has to know about.</summary>
/// <remarks>
/// Prints like <c>openat '/dev/kvm': permission denied (EACCES)</c>, so that a command line can show the message as it is.
/// Outcomes that belong to normal operation (EAGAIN, a full pipe, an end of file) are results, never exceptions.
/// </remarks>
public sealed class LinuxException : IOException
{
    /// <summary>Describes a failed operation.</summary>
    /// <param name="error">What the kernel answered.</param>
    /// <param name="operation">The system call or the ioctl, in the kernel's name.</param>
    /// <param name="detail">What it was applied to (a path, a range), or null.</param>
    public LinuxException(Errno error, string operation, string? detail = null)
        : base(Describe(error, operation, detail), (int)error)
    {
        Error = error;
        Operation = operation;
        Detail = detail;
    }

    /// <summary>What the kernel answered.</summary>
    public Errno Error { get; }

    /// <summary>The system call or the ioctl that failed.</summary>
    public string Operation { get; }

    /// <summary>What the operation was applied to, or null.</summary>
    public string? Detail { get; }

    /// <summary>The error of the last system call of this thread. Call before anything else can run.</summary>
    internal static Errno LastError => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>Throws for the last system call of this thread.</summary>
    [DoesNotReturn]
    [StackTraceHidden]
    internal static void ThrowLast(string operation, string? detail = null) =>
        throw new LinuxException(LastError, operation, detail);

    /// <summary>Throws for the last system call of this thread if it answered with a negative number.</summary>
    [StackTraceHidden]
    internal static void ThrowIfNegative(long result, string operation, string? detail = null)
    {
        if (result < 0)
        {
            ThrowLast(operation, detail);
        }
    }

    /// <summary>Throws for the last system call of this thread if it made no descriptor.</summary>
    /// <returns>The same handle.</returns>
    [StackTraceHidden]
    internal static THandle ThrowIfInvalid<THandle>(THandle handle, string operation, string? detail = null)
        where THandle : SafeHandle
    {
        if (handle.IsInvalid)
        {
            Errno error = LastError;
            handle.Dispose();
            throw new LinuxException(error, operation, detail);
        }

        return handle;
    }

    private static string Describe(Errno error, string operation, string? detail)
    {
        string subject = detail is null ? operation : $"{operation} '{detail}'";
        return $"{subject}: {Explain(error)} ({error})";
    }

    /// <summary>The C library's sentence, begun in lower case because it ends one of ours.</summary>
    private static string Explain(Errno error)
    {
        string text = Marshal.GetPInvokeErrorMessage((int)error);
        bool isWord = text.Length > 1 && char.IsUpper(text[0]) && char.IsLower(text[1]);
        return isWord ? char.ToLowerInvariant(text[0]) + text[1..] : text;
    }
}
