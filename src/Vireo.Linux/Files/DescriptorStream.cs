using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Files;

/// <summary>One end of a channel for bytes that a peer gave us: a pipe, a socket or a file. Never waits.</summary>
/// <remarks>Used by one thread at a time.</remarks>
public sealed class DescriptorStream : IDisposable
{
    private DescriptorStream(SafeFileHandle handle, bool canBeWatched)
    {
        Handle = handle;
        CanBeWatched = canBeWatched;
    }

    /// <summary>The descriptor. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Whether a loop can watch it; files are always ready and cannot be watched.</summary>
    public bool CanBeWatched { get; }

    /// <summary>Takes over a descriptor and makes it non-blocking.</summary>
    /// <param name="handle">A pipe end, a socket or a regular file. It becomes this object's, and is closed if refused.</param>
    /// <exception cref="LinuxException">EINVAL: it is something else.</exception>
    public static DescriptorStream Wrap(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        try
        {
            DescriptorKind kind = FileStatus.Of(handle).Kind;
            if (kind is not (DescriptorKind.Pipe or DescriptorKind.Socket or DescriptorKind.RegularFile))
            {
                throw new LinuxException(Errno.EINVAL, "stream descriptor", $"a {kind} carries no stream of bytes");
            }

            DescriptorFlags.SetNonBlocking(handle);
            return new DescriptorStream(handle, kind != DescriptorKind.RegularFile);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads what is there.</summary>
    /// <param name="destination">Where the bytes go; at least one.</param>
    /// <param name="byteCount">Bytes read; 0 at the end of the stream.</param>
    /// <returns>False when nothing is there now.</returns>
    /// <exception cref="LinuxException">The kernel refused, or the peer broke the connection.</exception>
    // SAFETY: the kernel is given the length of a buffer that stays pinned during the call.
    public unsafe bool TryRead(Span<byte> destination, out int byteCount)
    {
        while (true)
        {
            nint count;
            fixed (byte* bytes = destination)
            {
                count = LibC.read(Handle, bytes, (nuint)destination.Length);
            }

            if (count >= 0)
            {
                byteCount = (int)count;
                return true;
            }

            if (!IsAgain(nameof(LibC.read)))
            {
                byteCount = 0;
                return false;
            }
        }
    }

    /// <summary>Writes as much as there is room for.</summary>
    /// <param name="source">The bytes; at least one.</param>
    /// <param name="byteCount">Bytes written.</param>
    /// <returns>False when there is no room now.</returns>
    /// <exception cref="LinuxException">EPIPE: nobody reads any more; ENOSPC and others.</exception>
    // SAFETY: as in TryRead.
    public unsafe bool TryWrite(ReadOnlySpan<byte> source, out int byteCount)
    {
        while (true)
        {
            nint count;
            fixed (byte* bytes = source)
            {
                count = LibC.write(Handle, bytes, (nuint)source.Length);
            }

            if (count >= 0)
            {
                byteCount = (int)count;
                return true;
            }

            if (!IsAgain(nameof(LibC.write)))
            {
                byteCount = 0;
                return false;
            }
        }
    }

    /// <summary>Closes the descriptor: for whoever reads at the other end, the end of the stream.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>Judges the error of the last call.</summary>
    /// <returns>True when the call was interrupted and is to be repeated; false when it would have waited.</returns>
    private static bool IsAgain(string operation)
    {
        Errno error = LinuxException.LastError;
        return error switch
        {
            Errno.EINTR => true,
            Errno.EAGAIN => false,
            _ => throw new LinuxException(error, operation),
        };
    }
}
