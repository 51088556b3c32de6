using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>A descriptor that one side signals and the other waits on: an eventfd, or a pipe received from a peer.</summary>
/// <remarks>
/// <para>Always non-blocking and closed on exec. Any thread may signal and drain.</para>
/// <para>
/// Peers on hosts without eventfd send pipe ends instead; the two differ in that a pipe can be full and can lose its other
/// end, and in that draining one takes more than one read.
/// </para>
/// <para>
/// A received descriptor shares its open file with the peer, which can make it blocking again: a loop that reads it on
/// behalf of several peers trusts each of them not to. Watching it edge-triggered needs no read at all.
/// </para>
/// </remarks>
public sealed class EventFd : IDisposable
{
    private const int DrainBytes = 4096;

    /// <summary>Reads of a pipe in one drain: a peer that keeps writing must not keep us here.</summary>
    private const int DrainReadsMax = 64;

    private EventFd(SafeFileHandle handle, bool isPipe)
    {
        Handle = handle;
        IsPipe = isPipe;
    }

    /// <summary>The descriptor, to be watched by a loop or sent to a peer. It stays this object's.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Whether it is a pipe or a socket, which fills up when nobody drains it.</summary>
    public bool IsPipe { get; }

    /// <summary>Makes an eventfd.</summary>
    /// <param name="initial">Its first value: 0 for not signalled.</param>
    /// <exception cref="LinuxException">The process or the system has too many open files.</exception>
    public static EventFd Create(uint initial = 0) =>
        new(
            LinuxException.ThrowIfInvalid(
                LibC.eventfd(initial, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK),
                nameof(LibC.eventfd)
            ),
            isPipe: false
        );

    /// <summary>Takes over a descriptor received from a peer and makes it non-blocking.</summary>
    /// <param name="handle">An eventfd, a pipe end or a socket. It becomes this object's, and is closed if refused.</param>
    /// <exception cref="LinuxException">
    /// EINVAL: it is something else, such as a file, where a write could wait for ever.
    /// </exception>
    public static EventFd Wrap(SafeFileHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        try
        {
            DescriptorKind kind = FileStatus.Of(handle).Kind;
            if (kind is not (DescriptorKind.Anonymous or DescriptorKind.Pipe or DescriptorKind.Socket))
            {
                throw new LinuxException(Errno.EINVAL, "event descriptor", $"a {kind} cannot signal events");
            }

            DescriptorFlags.SetNonBlocking(handle);
            return new EventFd(handle, kind != DescriptorKind.Anonymous);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Wakes whoever waits. Safe from any thread.</summary>
    /// <returns>
    /// True when the other side is, or already was, signalled (a full pipe and a saturated counter count); false when there
    /// is no other side or the descriptor takes no writes, which for a descriptor of a peer is the peer's own loss.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The descriptor is closed.</exception>
    // SAFETY: eight bytes of a local variable.
    public unsafe bool Signal()
    {
        ulong one = 1;
        while (true)
        {
            nint written = LibC.write(Handle, &one, sizeof(ulong));
            if (written >= 0)
            {
                return true;
            }

            Errno error = LinuxException.LastError;
            if (error != Errno.EINTR)
            {
                return error == Errno.EAGAIN;
            }
        }
    }

    /// <summary>Takes what was signalled until nothing is left.</summary>
    /// <returns>True when something had been signalled.</returns>
    /// <exception cref="ObjectDisposedException">The descriptor is closed.</exception>
    // SAFETY: eight bytes of a local variable.
    public unsafe bool TryDrain()
    {
        if (IsPipe)
        {
            return TryDrainPipe();
        }

        ulong value;
        // One read takes the whole count of an eventfd.
        return Read(&value, sizeof(ulong)) > 0;
    }

    /// <summary>Takes what was signalled and says how much.</summary>
    /// <returns>The sum of the signals since the last time (eventfd only), or 0 when there was none.</returns>
    /// <exception cref="ObjectDisposedException">The descriptor is closed.</exception>
    // SAFETY: eight bytes of a local variable.
    public unsafe ulong TakeCount()
    {
        ulong value = 0;
        return Read(&value, sizeof(ulong)) == sizeof(ulong) ? value : 0;
    }

    /// <summary>Closes the descriptor.</summary>
    public void Dispose() => Handle.Dispose();

    // SAFETY: the buffer is on the stack and as long as stated.
    private unsafe bool TryDrainPipe()
    {
        byte* buffer = stackalloc byte[DrainBytes];
        bool isSignalled = false;
        for (int reads = 0; reads < DrainReadsMax && Read(buffer, DrainBytes) > 0; reads++)
        {
            isSignalled = true;
        }

        return isSignalled;
    }

    /// <summary>Reads once. Anything but bytes (nothing there, no other end, not readable) is 0.</summary>
    // SAFETY: both callers pass a buffer of this length.
    private unsafe nint Read(void* buffer, nuint length)
    {
        while (true)
        {
            nint result = LibC.read(Handle, buffer, length);
            if (result >= 0 || LinuxException.LastError != Errno.EINTR)
            {
                return Math.Max(result, 0);
            }
        }
    }
}
