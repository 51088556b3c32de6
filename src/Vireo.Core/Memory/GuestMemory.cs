namespace Vireo.Core.Memory;

/// <summary>The memory a driver shares with a device.</summary>
/// <remarks>
/// Immutable: a home that gets a new memory table stops its queues, attaches new memory and resumes. May be used by
/// several loops at once. Does not own the mappings behind it.
/// </remarks>
public abstract class GuestMemory
{
    /// <summary>How many segments one descriptor chain may fall into.</summary>
    /// <remarks>Bounds what a driver can make a device keep: 65,536 segments are 1 MiB of bookkeeping.</remarks>
    public const int SegmentsMax = 65536;

    /// <summary>Where writes of the device are recorded while the driver's memory is being migrated; usually null.</summary>
    public abstract DirtyLog? DirtyLog { get; }

    /// <summary>Translates a guest range, appending one segment per contiguous piece.</summary>
    /// <param name="address">Guest address of the first byte.</param>
    /// <param name="lengthBytes">Length in bytes; an empty range gives no segment wherever it lies.</param>
    /// <param name="access">How the device will use the range.</param>
    /// <param name="segments">Receives the segments; keeps what it already holds, even when the outcome is not Done.</param>
    public abstract Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    );

    /// <summary>Translates a range that must be contiguous in this process, such as a ring.</summary>
    /// <param name="address">Guest address of the first byte.</param>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    /// <param name="access">How the device will use the range.</param>
    /// <param name="segment">The memory, when the outcome is Done.</param>
    /// <returns>Refused also when the range is in memory but in several pieces.</returns>
    public abstract Translation TranslateContiguous(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        out Segment segment
    );

    /// <summary>What the device may do with a byte, as far as that is known already: nothing is asked for.</summary>
    /// <param name="address">Guest address of the byte.</param>
    public abstract MemoryAccess AccessOf(GuestAddress address);

    /// <summary>Finds out where a range lies in the dirty log, appending one range per piece.</summary>
    /// <param name="range">The range as the driver gave it.</param>
    /// <param name="ranges">Receives what to mark once the range was written.</param>
    /// <returns>Anything but Done only where addresses are translated.</returns>
    public abstract Translation Resolve(GuestRange range, ICollection<GuestRange> ranges);

    /// <summary>Records that the device wrote a range; without a <see cref="DirtyLog"/> it does nothing.</summary>
    /// <param name="range">The range as <see cref="Resolve"/> gave it.</param>
    public void MarkDirty(GuestRange range) => DirtyLog?.Mark(range.Address, range.LengthBytes);

    /// <summary>Sets bits of one byte that the driver may change at the same time.</summary>
    /// <param name="address">Guest address of the byte.</param>
    /// <param name="mask">The bits to set.</param>
    /// <param name="before">What the byte was.</param>
    /// <returns>False when it is not writable memory.</returns>
    public bool TryAtomicOr(GuestAddress address, byte mask, out byte before)
    {
        before = 0;
        if (TranslateContiguous(address, sizeof(byte), MemoryAccess.Write, out Segment segment) != Translation.Done)
        {
            return false;
        }

        ref byte target = ref segment.Bytes[0];
        byte seen = target;
        do
        {
            before = seen;
            // Full: what was done before is visible to a driver that sees the bit, and no bit of the driver's is lost.
            seen = Interlocked.CompareExchange(ref target, (byte)(before | mask), before);
        } while (seen != before);

        MarkWritten(new(address, sizeof(byte)));
        return true;
    }

    /// <summary>Copies bytes out of guest memory, for tests, tools and drivers; not for hot paths.</summary>
    /// <returns>False when the range is not all readable memory; nothing is copied then.</returns>
    public bool TryRead(GuestAddress address, Span<byte> destination)
    {
        SegmentList segments = new();
        if (Translate(address, (uint)destination.Length, MemoryAccess.Read, segments) != Translation.Done)
        {
            return false;
        }

        foreach (Segment segment in segments.Items)
        {
            segment.Bytes.CopyTo(destination);
            destination = destination[segment.Length..];
        }

        return true;
    }

    /// <summary>Copies bytes into guest memory, for tests, tools and drivers; not for hot paths.</summary>
    /// <returns>False when the range is not all writable memory; nothing is copied then.</returns>
    public bool TryWrite(GuestAddress address, ReadOnlySpan<byte> source)
    {
        SegmentList segments = new();
        if (Translate(address, (uint)source.Length, MemoryAccess.Write, segments) != Translation.Done)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = source;
        foreach (Segment segment in segments.Items)
        {
            rest[..segment.Length].CopyTo(segment.Bytes);
            rest = rest[segment.Length..];
        }

        MarkWritten(new(address, (uint)source.Length));
        return true;
    }

    private void MarkWritten(GuestRange range)
    {
        if (DirtyLog is null)
        {
            return;
        }

        List<GuestRange> pieces = [];
        Resolve(range, pieces);
        foreach (GuestRange piece in pieces)
        {
            MarkDirty(piece);
        }
    }
}
