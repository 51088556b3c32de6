using System.Numerics;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>Checks the size of a ring and finds its areas in this process; control plane only.</summary>
internal static class RingArea
{
    /// <summary>Checks a queue size of the split layout (VIRTIO 1.4 §2.7).</summary>
    /// <returns>The size.</returns>
    /// <exception cref="RingException">The size is not allowed.</exception>
    public static ushort CheckSplitSize(ushort size) =>
        size is > 0 and <= SplitRing.SizeMax && BitOperations.IsPow2(size)
            ? size
            : throw new RingException(
                $"queue size {size}: a split ring has a power of two from 1 to {SplitRing.SizeMax}"
            );

    /// <summary>Finds an area of a ring.</summary>
    /// <param name="memory">The memory it lies in.</param>
    /// <param name="area">What the specification calls it; for the message.</param>
    /// <param name="address">Guest address of the first byte.</param>
    /// <param name="bytes">Length in bytes, at least 1.</param>
    /// <param name="alignment">What the address must be a multiple of.</param>
    /// <param name="access">How it will be used.</param>
    /// <exception cref="RingException">It is not aligned, or not one contiguous piece of memory.</exception>
    public static Segment Locate(
        GuestMemory memory,
        string area,
        GuestAddress address,
        int bytes,
        int alignment,
        MemoryAccess access
    )
    {
        if (address.Value % (uint)alignment != 0)
        {
            throw new RingException($"{area} at {address} is not aligned to {alignment} bytes");
        }

        return memory.TranslateContiguous(address, (uint)bytes, access, out Segment segment) switch
        {
            Translation.Done => segment,
            Translation.Pending => throw new RingException($"{area} at {address} has no translation yet"),
            _ => throw new RingException(
                $"{area} at {address} with {bytes} bytes is not one contiguous piece of the driver's memory"
            ),
        };
    }
}
