using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The driver side of a virtqueue: makes buffers available to a device and takes them back when they were used.</summary>
/// <remarks>
/// For user-space drivers, tests, fuzzers and benchmarks. Knows rings and memory only: no event descriptor, no thread.
/// Used by one thread at a time. The order of a turn is: <see cref="TryAdd"/> as often as wanted, one <see cref="Publish"/> and a
/// kick if it says so; <see cref="TryTake"/> until it returns false, and before sleeping <see cref="TryArmCalls"/>. The device is not
/// trusted: the first rule it breaks latches <see cref="Fault"/>, and from then on nothing is added and nothing is taken. Nothing
/// is allocated after the queue was made.
/// </remarks>
public abstract class DriverQueue
{
    private protected DriverQueue(ushort size)
    {
        Size = size;
        FreeDescriptors = size;
    }

    /// <summary>Queue size in descriptors.</summary>
    public ushort Size { get; }

    /// <summary>How the device broke the rules, or <see cref="UsedFault.None"/>; never goes back to None.</summary>
    public UsedFault Fault { get; private set; }

    /// <summary>How many descriptors are not in use.</summary>
    public int FreeDescriptors { get; private protected set; }

    /// <summary>How many buffers were added and not yet taken back.</summary>
    public int InFlight { get; private protected set; }

    /// <summary>Sets up an empty queue on a ring in memory, in the layout that was negotiated.</summary>
    /// <param name="areas">The ring; its memory is cleared here, so no device may use it yet.</param>
    /// <param name="memory">The memory that driver and device share; must outlive the queue.</param>
    /// <param name="features">The negotiated features: RING_PACKED, INDIRECT_DESC, EVENT_IDX, IN_ORDER are heeded.</param>
    /// <param name="tables">
    /// Where indirect tables are kept; null makes none. Without INDIRECT_DESC they are not used (VIRTIO 1.4 §2.7.5.3.1).
    /// </param>
    /// <exception cref="RingException">Size, alignment or place of an area is not what VIRTIO 1.4 §2.7, §2.8 asks.</exception>
    public static DriverQueue Create(
        in QueueAreas areas,
        GuestMemory memory,
        FeatureSet features,
        IndirectTables? tables = null
    ) => new SplitDriverQueue(in areas, memory, features, tables);

    /// <summary>Adds a buffer; the device sees it after <see cref="Publish"/>.</summary>
    /// <param name="readable">The pieces that the device reads, in order.</param>
    /// <param name="writable">The pieces that the device writes, in order; they follow the readable ones.</param>
    /// <param name="tag">What to call the buffer when it comes back; any number, also the same one twice.</param>
    /// <returns>False when there are too few free descriptors now, or the queue has a fault; nothing was added then.</returns>
    /// <exception cref="ArgumentException">
    /// There is no piece at all, or more than ever fit into the queue, or they add up to 2^32 bytes or more (VIRTIO 1.4 §2.7.5.2).
    /// </exception>
    public abstract bool TryAdd(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable, ulong tag);

    /// <summary>Makes all added buffers visible to the device.</summary>
    /// <returns>True when the device asked to be kicked for them.</returns>
    public abstract bool Publish();

    /// <summary>Takes back the next buffer that the device has used.</summary>
    /// <param name="completion">Which it is.</param>
    /// <returns>False when there is none, or the queue has a fault.</returns>
    public abstract bool TryTake(out DriverCompletion completion);

    /// <summary>Tells the device that calls are not needed now; a hint that costs one store at most.</summary>
    public abstract void SuppressCalls();

    /// <summary>Asks for a call at the next used buffer, and looks once more.</summary>
    /// <returns>True when there is nothing to take and the next used buffer will be called; false when there is one already.</returns>
    public abstract bool TryArmCalls();

    /// <summary>Latches a fault; only the first one counts.</summary>
    /// <returns>False, for the caller to return.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private protected bool Break(UsedFault fault)
    {
        if (Fault == UsedFault.None)
        {
            Fault = fault;
        }

        return false;
    }

    /// <summary>Adds up the pieces of a buffer.</summary>
    /// <returns>Bytes in the writable pieces.</returns>
    private protected static uint CountBytes(ReadOnlySpan<GuestRange> readable, ReadOnlySpan<GuestRange> writable)
    {
        ulong writableBytes = 0;
        foreach (ref readonly GuestRange range in writable)
        {
            writableBytes += range.LengthBytes;
        }

        ulong totalBytes = writableBytes;
        foreach (ref readonly GuestRange range in readable)
        {
            totalBytes += range.LengthBytes;
        }

        if (totalBytes > uint.MaxValue)
        {
            ThrowTooLarge(totalBytes);
        }

        return (uint)writableBytes;
    }

    /// <summary>Says why a buffer was not added: for now, or because it never can be.</summary>
    /// <param name="pieces">How many pieces it has.</param>
    /// <returns>False, for the caller to return.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private protected bool RefuseToAdd(int pieces)
    {
        if (pieces == 0)
        {
            throw new ArgumentException("a buffer has at least one piece");
        }

        if (pieces > Size)
        {
            throw new ArgumentException($"a buffer of {pieces} pieces never fits into a queue of {Size} descriptors");
        }

        return false;
    }

    [DoesNotReturn]
    private static void ThrowTooLarge(ulong bytes) =>
        throw new ArgumentException(
            $"a buffer of {bytes} bytes: the pieces of a buffer add up to less than 2^32 bytes"
        );
}
