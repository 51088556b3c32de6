using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Events;

namespace Vireo.Linux.Vduse;

/// <summary>One device of the vDPA bus, from the side of the process that implements it: the calls of <c>/dev/vduse/NAME</c>.</summary>
/// <remarks>
/// <see cref="TryCall"/>, <see cref="TryFindMapping"/>, <see cref="TryFindRange"/> and <see cref="LendMemory"/> may be called by any
/// thread, the rest by one thread at a time.
/// </remarks>
public interface IVduseDevice : IDisposable
{
    /// <summary>Becomes readable when a message waits; an error event means that the kernel has given the device up.</summary>
    SafeFileHandle Handle { get; }

    /// <summary>The features the driver chose, 64 bits; 0 when it has not.</summary>
    /// <exception cref="LinuxException">EPERM: the kernel has given the device up.</exception>
    ulong ReadDriverFeatures();

    /// <summary>Says how many descriptors a queue may have; needed for each queue before the device can join the bus.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="sizeMax">Descriptors, from 1.</param>
    /// <exception cref="LinuxException">EINVAL: there is no such queue.</exception>
    void SetUpQueue(int index, ushort sizeMax);

    /// <summary>What the driver has set up for a queue.</summary>
    /// <param name="index">Which queue.</param>
    /// <exception cref="LinuxException">EINVAL: there is no such queue.</exception>
    VduseQueue ReadQueue(int index);

    /// <summary>Gives a queue's kicks to an event descriptor; kicks that came before there was one are signalled at once.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="kick">The descriptor; stays the caller's. Null for none.</param>
    /// <exception cref="LinuxException">EINVAL: there is no such queue, or it is no eventfd.</exception>
    void SetKick(int index, EventFd? kick);

    /// <summary>Interrupts the driver for a queue. Any thread.</summary>
    /// <param name="index">Which queue.</param>
    /// <returns>False when the kernel does not take it, because the driver has not said DRIVER_OK as far as it knows.</returns>
    bool TryCall(int index);

    /// <summary>Changes the configuration space that the driver reads; does not tell it.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes, at least one; all within the space.</param>
    /// <exception cref="LinuxException">EINVAL: not within the space.</exception>
    void WriteConfig(int offset, ReadOnlySpan<byte> source);

    /// <summary>Interrupts the driver because the configuration space has changed.</summary>
    /// <returns>False when the driver has not said DRIVER_OK.</returns>
    bool TryCallConfig();

    /// <summary>Finds the memory behind an address of the driver. Any thread.</summary>
    /// <param name="first">The first address of a range.</param>
    /// <param name="last">Its last address.</param>
    /// <returns>The lowest mapping that has an address of the range; null when there is none.</returns>
    VduseMapping? TryFindMapping(ulong first, ulong last);

    /// <summary>Says what kind of memory is behind an address of the driver. Any thread.</summary>
    /// <param name="first">The first address of a range.</param>
    /// <param name="last">Its last address.</param>
    /// <returns>The lowest range of one kind that has an address of it; null when there is none, and before Linux 6.0.</returns>
    VduseRange? TryFindRange(ulong first, ulong last);

    /// <summary>Makes memory of this process the kernel's bounce buffers: their contents move there. Any thread.</summary>
    /// <param name="range">A range that takes memory, whole.</param>
    /// <param name="address">Where the memory is mapped, at the beginning of a page; it stays so until it is taken back.</param>
    /// <exception cref="LinuxException">
    /// ENOMEM: more than this process may lock (RLIMIT_MEMLOCK); EINVAL: not what the range is by now; EEXIST: lent already.
    /// </exception>
    void LendMemory(VduseRange range, nint address);

    /// <summary>Takes memory back that was lent: the contents move to pages of the kernel.</summary>
    /// <param name="range">The range it was lent for.</param>
    /// <exception cref="LinuxException">ENOENT: nothing is lent; EPERM: the kernel has given the device up.</exception>
    void TakeMemoryBack(VduseRange range);

    /// <summary>Takes the next message.</summary>
    /// <returns>False when none waits.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    bool TryReceive(out VduseRequest request);

    /// <summary>Answers a message; whoever caused it waits for that, up to 30 seconds.</summary>
    /// <returns>False when the kernel does not wait for it any more.</returns>
    /// <exception cref="LinuxException">The kernel refused for another reason.</exception>
    bool TryAnswer(in VduseAnswer answer);
}
