using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>Room for the events one epoll_wait reports, in the layout of this machine's architecture.</summary>
/// <remarks>The array is pinned for good, so the kernel may write to it without a pin per call.</remarks>
internal sealed unsafe class EpollBuffer
{
    private static readonly bool IsPacked = RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private readonly byte[] _bytes;

    internal EpollBuffer(int capacity)
    {
        Capacity = capacity;
        _bytes = GC.AllocateArray<byte>(capacity * sizeof(epoll_event_aligned), pinned: true);
    }

    /// <summary>How many events fit.</summary>
    internal int Capacity { get; }

    /// <summary>Address of the first event.</summary>
    // SAFETY: the array is on the pinned heap and this object keeps it alive.
    internal void* Address => Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_bytes));

    /// <summary>Writes one event.</summary>
    internal void Set(int index, uint events, ulong data)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Capacity);
        // SAFETY: index is below the capacity, and the array is sized for the larger of the two layouts.
        if (IsPacked)
        {
            ((epoll_event*)Address)[index] = new epoll_event { events = events, data = data };
        }
        else
        {
            ((epoll_event_aligned*)Address)[index] = new epoll_event_aligned { events = events, data = data };
        }
    }

    /// <summary>Reads one event the kernel reported.</summary>
    /// <returns>The data it was registered with.</returns>
    internal ulong Get(int index, out uint events)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Capacity);
        // SAFETY: as in Set.
        if (IsPacked)
        {
            epoll_event entry = ((epoll_event*)Address)[index];
            events = entry.events;
            return entry.data;
        }

        epoll_event_aligned aligned = ((epoll_event_aligned*)Address)[index];
        events = aligned.events;
        return aligned.data;
    }
}
