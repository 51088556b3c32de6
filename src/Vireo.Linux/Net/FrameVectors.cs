using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Net;

/// <summary>Sends a frame that lies in pieces, in one call.</summary>
internal static class FrameVectors
{
    /// <summary>Sends a frame.</summary>
    /// <param name="descriptor">Where to. It stays the caller's.</param>
    /// <param name="frame">Header and frame.</param>
    /// <returns>Bytes, or a negated <see cref="Errno"/>.</returns>
    // SAFETY: the list is pinned during the call; the kernel checks every address in it and answers EFAULT.
    public static unsafe int Write(SafeFileHandle descriptor, ReadOnlySpan<IoVector> frame)
    {
        fixed (IoVector* vectors = frame)
        {
            while (true)
            {
                nint count = LibC.writev(descriptor, vectors, frame.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                Errno error = LinuxException.LastError;
                if (error != Errno.EINTR)
                {
                    return -(int)error;
                }
            }
        }
    }
}
