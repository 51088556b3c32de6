using Vireo.Linux.Native;

namespace Vireo.Linux.Events;

/// <summary>Which processors a thread may run on.</summary>
public static class ThreadAffinity
{
    /// <summary>Processors a mask has room for; the kernel's own limit on x86-64.</summary>
    private const int ProcessorsMax = 8192;

    private const int BitsPerWord = 64;

    /// <summary>Ties the calling thread to one processor.</summary>
    /// <param name="processor">Number of the processor, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative or beyond 8191.</exception>
    /// <exception cref="LinuxException">EINVAL: there is no such processor, or this process may not use it.</exception>
    // SAFETY: the mask is on the stack and as long as the kernel is told; processor is below its number of bits.
    public static unsafe void PinCurrentThread(int processor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(processor);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(processor, ProcessorsMax);
        const int Words = ProcessorsMax / BitsPerWord;
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        mask[processor / BitsPerWord] = 1UL << (processor % BitsPerWord);
        int result = LibC.sched_setaffinity(0, Words * sizeof(ulong), mask);
        LinuxException.ThrowIfNegative(result, nameof(LibC.sched_setaffinity), $"processor {processor}");
    }

    /// <summary>The processors the calling thread may run on, in ascending order.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    // SAFETY: the mask is on the stack; the kernel writes at most the stated length.
    public static unsafe IReadOnlyList<int> OfCurrentThread()
    {
        const int Words = ProcessorsMax / BitsPerWord;
        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        int result = LibC.sched_getaffinity(0, Words * sizeof(ulong), mask);
        LinuxException.ThrowIfNegative(result, nameof(LibC.sched_getaffinity));
        List<int> processors = [];
        for (int processor = 0; processor < ProcessorsMax; processor++)
        {
            if ((mask[processor / BitsPerWord] & (1UL << (processor % BitsPerWord))) != 0)
            {
                processors.Add(processor);
            }
        }

        return processors;
    }
}
