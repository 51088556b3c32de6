using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>Waits for pages that somebody else has yet to supply (<see cref="Userfault"/>).</summary>
public static class LatePages
{
    /// <summary>Returns when every page of a range is there, or never will be.</summary>
    /// <remarks>
    /// Whoever touches such a page in managed code sleeps where the runtime cannot stop the thread, so that a garbage collection, and with it
    /// the whole process, waits for the page. A system call does not hold a collection up. A page that was poisoned, and any page on kernels
    /// before 5.14, is left to whoever touches it.
    /// </remarks>
    /// <param name="address">First byte, in mapped memory.</param>
    /// <param name="lengthBytes">Length in bytes; 0 waits for nothing.</param>
    public static void Wait(nint address, nuint lengthBytes)
    {
        if (lengthBytes == 0)
        {
            return;
        }

        nint begin = address - address % Environment.SystemPageSize;
        nuint length = lengthBytes + (nuint)(address - begin);
        int result;
        do
        {
            // The kernel goes by whole pages, and rounds the length up itself.
            result = LibC.madvise(begin, length, LibC.MADV_POPULATE_READ);
        } while (result < 0 && LinuxException.LastError == Errno.EINTR);
    }
}
