using System.Numerics;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>Checks the size of a ring and finds its areas in this process; control plane only.</summary>
internal static class RingLocator
{
    /// <summary>Checks a queue size (VIRTIO 1.4 §2.7, §2.8.10.1).</summary>
    /// <param name="size">The size in descriptors.</param>
    /// <param name="isPacked">Whether the ring is packed; only then any number will do.</param>
    /// <returns>The size.</returns>
    /// <exception cref="RingException">The size is not allowed.</exception>
    public static ushort CheckSize(ushort size, bool isPacked)
    {
        if (size is 0 or > SplitRing.SizeMax)
        {
            throw new RingException($"queue size {size}: a ring has 1 to {SplitRing.SizeMax} descriptors");
        }

        if (!isPacked && !BitOperations.IsPow2(size))
        {
            throw new RingException($"queue size {size}: the size of a split ring is a power of two");
        }

        return size;
    }

    /// <summary>Finds an area of a ring that must lie in one piece.</summary>
    /// <param name="memory">The memory it lies in.</param>
    /// <param name="area">What the specification calls it, where it is and how it is used.</param>
    /// <exception cref="RingException">It is not aligned, or not one contiguous piece of memory.</exception>
    public static Segment Locate(GuestMemory memory, in RingArea area)
    {
        CheckAlignment(in area);
        return memory.TranslateContiguous(area.Address, (uint)area.LengthBytes, area.Access, out Segment segment) switch
        {
            Translation.Done => segment,
            Translation.Pending => throw Pending(in area),
            _ => throw new RingException(
                $"{area.Name} at {area.Address} with {area.LengthBytes} bytes is not one contiguous piece of the driver's memory"
            ),
        };
    }

    /// <summary>Tries to find an area of a ring in one piece.</summary>
    /// <param name="memory">The memory it lies in.</param>
    /// <param name="area">What the specification calls it, where it is and how it is used.</param>
    /// <param name="found">The area.</param>
    /// <returns>False when it lies in several pieces, or nowhere.</returns>
    /// <exception cref="RingException">It is not aligned.</exception>
    public static bool TryLocate(GuestMemory memory, in RingArea area, out ContiguousArea found)
    {
        CheckAlignment(in area);
        Translation outcome = memory.TranslateContiguous(
            area.Address,
            (uint)area.LengthBytes,
            area.Access,
            out Segment segment
        );
        found = new(segment);
        return outcome == Translation.Done;
    }

    /// <summary>Finds an area of a ring page by page.</summary>
    /// <param name="memory">The memory it lies in.</param>
    /// <param name="area">What the specification calls it, where it is and how it is used.</param>
    /// <exception cref="RingException">It is not aligned, not all memory, or its pieces do not meet at page borders.</exception>
    public static PagedArea LocatePages(GuestMemory memory, in RingArea area)
    {
        CheckAlignment(in area);
        int offset = (int)(area.Address.Value % PagedArea.PageBytes);
        int pageCount = (offset + area.LengthBytes + PagedArea.PageBytes - 1) / PagedArea.PageBytes;
        nint[] pages = new nint[pageCount];
        int done = 0;
        for (int index = 0; index < pageCount; index++)
        {
            int inPage = index == 0 ? offset : 0;
            int bytes = Math.Min(PagedArea.PageBytes - inPage, area.LengthBytes - done);
            GuestAddress address = area.Address + (uint)done;
            Translation outcome = memory.TranslateContiguous(address, (uint)bytes, area.Access, out Segment segment);
            if (outcome != Translation.Done)
            {
                throw outcome == Translation.Pending
                    ? Pending(in area)
                    : new RingException(
                        $"{area.Name} at {area.Address} with {area.LengthBytes} bytes does not lie in the driver's memory"
                    );
            }

            pages[index] = segment.Address - inPage;
            done += bytes;
        }

        return new(pages, offset);
    }

    /// <summary>Whether all areas of a ring lie in a memory, in however many pieces.</summary>
    /// <param name="areas">The ring.</param>
    /// <param name="memory">The memory.</param>
    /// <param name="isPacked">Whether the ring is packed.</param>
    /// <returns>False also when a translation is missing.</returns>
    public static bool IsIn(in QueueAreas areas, GuestMemory memory, bool isPacked)
    {
        SegmentList segments = new();
        ReadOnlySpan<RingArea> all =
        [
            RingArea.Descriptors(in areas, isPacked ? MemoryAccess.ReadWrite : MemoryAccess.Read),
            isPacked
                ? RingArea.DriverEvents(in areas, MemoryAccess.Read)
                : RingArea.Available(in areas, MemoryAccess.Read),
            isPacked ? RingArea.DeviceEvents(in areas) : RingArea.Used(in areas),
        ];
        foreach (RingArea area in all)
        {
            if (memory.Translate(area.Address, (uint)area.LengthBytes, area.Access, segments) != Translation.Done)
            {
                return false;
            }
        }

        return true;
    }

    private static void CheckAlignment(in RingArea area)
    {
        if (area.Address.Value % (uint)area.Alignment != 0)
        {
            throw new RingException($"{area.Name} at {area.Address} is not aligned to {area.Alignment} bytes");
        }
    }

    private static RingException Pending(in RingArea area) =>
        new($"{area.Name} at {area.Address} has no translation yet") { IsTranslationPending = true };
}
