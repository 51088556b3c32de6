namespace Vireo.Core.Memory;

/// <summary>Guest memory behind an I/O translation, for drivers that negotiated ACCESS_PLATFORM (VIRTIO 1.4 §6.1).</summary>
/// <remarks>
/// A range that is contiguous for the driver may fall into as many pieces as it has pages. Each piece is checked against the
/// translation and against the memory behind it. A range that awaits a translation is left in the ring, and
/// <see cref="Queues.DeviceQueue.IsTranslationPending"/> says so; whoever receives the translation lets the queue look again. Whoever takes
/// a mapping away must wait until no request holds segments of it.
/// </remarks>
public sealed class TranslatedMemory : GuestMemory
{
    private readonly IAddressTranslator _translator;
    private readonly GuestMemory _memory;

    /// <summary>Puts a translation in front of memory.</summary>
    /// <param name="translator">The translation; outlives every queue that uses this memory.</param>
    /// <param name="memory">The memory behind it, in guest-physical addresses.</param>
    public TranslatedMemory(IAddressTranslator translator, GuestMemory memory)
    {
        _translator = translator;
        _memory = memory;
    }

    /// <inheritdoc/>
    /// <remarks>In guest-physical addresses.</remarks>
    public override DirtyLog? DirtyLog => _memory.DirtyLog;

    /// <inheritdoc/>
    public override Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    )
    {
        GuestRange left = new(address, lengthBytes);
        while (left.LengthBytes > 0)
        {
            Translation outcome = TakePiece(ref left, access, out GuestRange piece);
            if (outcome == Translation.Done)
            {
                outcome = _memory.Translate(piece.Address, piece.LengthBytes, access, segments);
            }

            if (outcome != Translation.Done)
            {
                return outcome;
            }
        }

        return Translation.Done;
    }

    /// <inheritdoc/>
    public override Translation TranslateContiguous(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        out Segment segment
    )
    {
        segment = default;
        nint start = 0;
        nuint length = 0;
        GuestRange left = new(address, lengthBytes);
        while (left.LengthBytes > 0)
        {
            Translation outcome = TakePiece(ref left, access, out GuestRange piece);
            Segment part = default;
            if (outcome == Translation.Done)
            {
                outcome = _memory.TranslateContiguous(piece.Address, piece.LengthBytes, access, out part);
            }

            if (outcome != Translation.Done)
            {
                return outcome;
            }

            // Mappings that lie behind one another here as well make one piece.
            if (length == 0)
            {
                start = part.Address;
            }
            else if (part.Address != start + (nint)length)
            {
                return Translation.Refused;
            }

            length += (nuint)part.Length;
        }

        if (length is 0 or > int.MaxValue)
        {
            return Translation.Refused;
        }

        segment = new(start, length);
        return Translation.Done;
    }

    /// <inheritdoc/>
    public override MemoryAccess AccessOf(GuestAddress address) =>
        _translator.AccessOf(address, out GuestAddress target) & _memory.AccessOf(target);

    /// <inheritdoc/>
    public override Translation Resolve(GuestRange range, ICollection<GuestRange> ranges)
    {
        while (range.LengthBytes > 0)
        {
            Translation outcome = TakePiece(ref range, MemoryAccess.Write, out GuestRange piece);
            if (outcome == Translation.Done)
            {
                outcome = _memory.Resolve(piece, ranges);
            }

            if (outcome != Translation.Done)
            {
                return outcome;
            }
        }

        return Translation.Done;
    }

    /// <summary>Translates the start of a range, as much as one mapping covers, and takes it off.</summary>
    private Translation TakePiece(ref GuestRange left, MemoryAccess access, out GuestRange piece)
    {
        piece = default;
        Translation outcome = _translator.Translate(left.Address, access, out GuestAddress target, out ulong covered);
        if (outcome != Translation.Done)
        {
            return outcome;
        }

        Invariant.That(covered > 0);
        uint length = (uint)Math.Min(left.LengthBytes, covered);
        piece = new(target, length);
        uint rest = left.LengthBytes - length;
        if (rest > 0 && left.Address.Value > ulong.MaxValue - length)
        {
            // The range wraps.
            return Translation.Refused;
        }

        left = rest == 0 ? default : new(left.Address + length, rest);
        return Translation.Done;
    }
}
