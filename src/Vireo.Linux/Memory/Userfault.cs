using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>Lets somebody else supply the pages of mappings when they are first touched (userfaultfd).</summary>
/// <remarks>
/// <para>
/// Whoever holds the descriptor is told of each page that is missing and wakes who waits for it, in this process or, once the
/// descriptor was sent, in another. A thread that touches such a page sleeps until then, system calls that use it included.
/// </para>
/// <para>
/// Faults of the kernel count, so the process needs CAP_SYS_PTRACE or the sysctl <c>vm.unprivileged_userfaultfd</c> at 1.
/// Used by one thread at a time.
/// </para>
/// </remarks>
public sealed class Userfault : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly List<uffdio_range> _ranges = [];

    private Userfault(SafeFileHandle handle) => _handle = handle;

    /// <summary>The descriptor, to be sent to who supplies the pages. It stays this object's.</summary>
    public SafeFileHandle Handle => _handle;

    /// <summary>Whether this process may have one that works for shared memory.</summary>
    public static bool IsAvailable
    {
        get
        {
            if (!TryOpen(out Userfault? userfault, out _))
            {
                return false;
            }

            userfault.Dispose();
            return true;
        }
    }

    /// <summary>Opens a descriptor that watches nothing yet.</summary>
    /// <exception cref="LinuxException">
    /// EPERM: not allowed (see the remarks); ENOSYS or EINVAL: this kernel has none for shared memory; EMFILE: too many files.
    /// </exception>
    public static Userfault Open() =>
        TryOpen(out Userfault? userfault, out Errno error)
            ? userfault
            : throw new LinuxException(
                error,
                nameof(LibC.userfaultfd),
                "CAP_SYS_PTRACE or vm.unprivileged_userfaultfd=1 is needed"
            );

    /// <summary>Has the pages of a mapping supplied that are not there yet.</summary>
    /// <param name="mapping">
    /// Shared memory or anonymous memory, made of whole pages; nothing of it was touched. Must not be disposed before this object,
    /// or <see cref="End"/>.
    /// </param>
    /// <exception cref="LinuxException">EINVAL: not whole pages, or not such memory; EBUSY: another descriptor has it.</exception>
    // SAFETY: the kernel reads and fills the structure; the range is the mapping's.
    public unsafe void Register(MemoryMapping mapping)
    {
        ArgumentNullException.ThrowIfNull(mapping);
        ObjectDisposedException.ThrowIf(mapping.IsClosed, mapping);
        uffdio_register request = new() { range = RangeOf(mapping), mode = LibC.UFFDIO_REGISTER_MODE_MISSING };
        LinuxException.ThrowIfNegative(
            LibC.ioctl(_handle, LibC.UFFDIO_REGISTER, &request),
            nameof(LibC.UFFDIO_REGISTER)
        );
        _ranges.Add(request.range);
    }

    /// <summary>Puts a page where it is missing, and wakes who waits for it.</summary>
    /// <param name="address">Where; aligned to a page, in a registered mapping.</param>
    /// <param name="page">Its bytes; whole pages.</param>
    /// <exception cref="LinuxException">EEXIST: it is there already; ENOENT: nothing is registered there.</exception>
    // SAFETY: the kernel reads the page, which the span covers, and writes only to pages that it knows to be registered.
    public unsafe void Supply(nint address, ReadOnlySpan<byte> page)
    {
        fixed (byte* source = page)
        {
            uffdio_copy request = new()
            {
                dst = (ulong)address,
                src = (ulong)source,
                len = (ulong)page.Length,
            };
            LinuxException.ThrowIfNegative(LibC.ioctl(_handle, LibC.UFFDIO_COPY, &request), nameof(LibC.UFFDIO_COPY));
        }
    }

    /// <summary>Ends the watch: all pages are there, and what is missing reads as zeros from here on.</summary>
    // SAFETY: the kernel reads the structure.
    public unsafe void End()
    {
        foreach (uffdio_range range in _ranges)
        {
            uffdio_range copy = range;
            // The mapping may have gone, and with it the registration.
            _ = LibC.ioctl(_handle, LibC.UFFDIO_UNREGISTER, &copy);
        }

        _ranges.Clear();
    }

    /// <summary>
    /// Makes sure that pages which never came are not taken for zeros: a system call that uses one fails with EFAULT, a thread that
    /// touches one gets SIGBUS.
    /// </summary>
    /// <returns>False when this kernel cannot do that (before Linux 6.6).</returns>
    // SAFETY: the kernel reads and fills the structure; the range is a registered one.
    public unsafe bool TryPoison()
    {
        foreach (uffdio_range range in _ranges)
        {
            uffdio_poison request = new() { range = range };
            while (request.range.len > 0)
            {
                request.updated = 0;
                int result = LibC.ioctl(_handle, LibC.UFFDIO_POISON, &request);
                Errno error = LinuxException.LastError;
                if (result < 0 && error == Errno.ENOENT)
                {
                    // The mapping has gone.
                    break;
                }

                if (result < 0 && request.updated <= 0 && error is not (Errno.EEXIST or Errno.EAGAIN))
                {
                    return false;
                }

                // A page that is there ends the call, and is left as it is.
                ulong done = request.updated > 0 ? (ulong)request.updated : (ulong)Environment.SystemPageSize;
                done = Math.Min(done, request.range.len);
                request.range.start += done;
                request.range.len -= done;
            }
        }

        return true;
    }

    /// <summary>Closes our descriptor. When it was the last, who waits for a page goes on with zeros.</summary>
    public void Dispose() => _handle.Dispose();

    // SAFETY: the kernel reads and fills the structure.
    private static unsafe bool TryOpen([NotNullWhen(true)] out Userfault? userfault, out Errno error)
    {
        userfault = null;
        SafeFileHandle handle = LibC.userfaultfd(LibC.O_CLOEXEC | LibC.O_NONBLOCK);
        if (handle.IsInvalid)
        {
            error = LinuxException.LastError;
            handle.Dispose();
            return false;
        }

        uffdio_api api = new() { api = LibC.UFFD_API };
        bool isGood = LibC.ioctl(handle, LibC.UFFDIO_API, &api) >= 0;
        error = isGood ? Errno.EINVAL : LinuxException.LastError;
        if (!isGood || (api.features & LibC.UFFD_FEATURE_MISSING_SHMEM) == 0)
        {
            handle.Dispose();
            return false;
        }

        userfault = new(handle);
        return true;
    }

    private static uffdio_range RangeOf(MemoryMapping mapping)
    {
        ulong page = (ulong)Environment.SystemPageSize;
        if ((ulong)mapping.Address % page != 0 || mapping.Length % page != 0)
        {
            throw new LinuxException(
                Errno.EINVAL,
                nameof(LibC.UFFDIO_REGISTER),
                "the range is not made of whole pages"
            );
        }

        return new() { start = (ulong)mapping.Address, len = mapping.Length };
    }
}
