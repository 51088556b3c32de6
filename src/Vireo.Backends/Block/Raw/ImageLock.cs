using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Linux;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Raw;

/// <summary>Keeps two programs from writing one image: the byte locks that QEMU, libvirt and others heed.</summary>
/// <remarks>
/// A program that uses an image shares a lock on one byte for each thing it does, and on another byte for each thing it does not
/// want others to do; then it looks whether somebody else's bytes contradict. The locks end with the descriptor.
/// </remarks>
internal static class ImageLock
{
    /// <summary>Where the bytes for things one does begin.</summary>
    private const long DoesBase = 100;

    /// <summary>Where the bytes for things others must not do begin.</summary>
    private const long ForbidsBase = 200;

    private const int Read = 0;
    private const int Write = 1;
    private const int Resize = 3;

    /// <summary>
    /// How long a lock of another is waited for. A program that was killed keeps its locks until the kernel has ended its transfers, and
    /// one that starts another shares them with it for a moment.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(5);

    /// <summary>Locks an open image.</summary>
    /// <param name="file">The image; it stays the caller's.</param>
    /// <param name="path">What it is called, for people.</param>
    /// <param name="isReadOnly">Whether it is only read.</param>
    /// <exception cref="DeviceException">Another program uses it in a way that does not go with this one.</exception>
    public static void Acquire(SafeFileHandle file, string path, bool isReadOnly)
    {
        ReadOnlySpan<int> does = isReadOnly ? [Read] : [Read, Write, Resize];
        ReadOnlySpan<int> forbids = [Write, Resize];
        try
        {
            foreach (int thing in does)
            {
                HostFile.TryLock(file, LockKind.Shared, DoesBase + thing, 1);
            }

            foreach (int thing in forbids)
            {
                HostFile.TryLock(file, LockKind.Shared, ForbidsBase + thing, 1);
            }

            foreach (int thing in does)
            {
                Check(file, ForbidsBase + thing, path);
            }

            foreach (int thing in forbids)
            {
                Check(file, DoesBase + thing, path);
            }
        }
        catch (LinuxException exception)
            when (exception.Error is Errno.EINVAL or Errno.EOPNOTSUPP or Errno.ENOLCK or Errno.ENOSYS)
        {
            // A file system without such locks: QEMU goes on without them, too.
        }
    }

    private static void Check(SafeFileHandle file, long offset, string path)
    {
        long start = Stopwatch.GetTimestamp();
        while (HostFile.IsLockedByAnother(file, offset, 1))
        {
            if (Stopwatch.GetElapsedTime(start) >= Patience)
            {
                throw new DeviceException(
                    $"'{path}' is in use by another program, and one of the two writes to it; "
                        + "end that program, open the image read-only in both, or switch locking off if you know better"
                );
            }

            Thread.Sleep(RetryAfter);
        }
    }
}
