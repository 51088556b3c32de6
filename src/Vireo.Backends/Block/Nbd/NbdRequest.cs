using Vireo.Backends.Block.Images;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Nbd;

/// <summary>One request to a server: its owner's before it is submitted and after it has ended, the client's in between.</summary>
/// <param name="owner">Told of its end.</param>
/// <param name="tag">What the owner calls it.</param>
internal sealed class NbdRequest(INbdOwner owner, uint tag)
{
    /// <summary>More parts of an answer that do not follow each other are a mistake or an attack.</summary>
    private const int ScatteredMax = 4096;

    /// <summary>Parts of a read that have come before what precedes them; null while there never were any.</summary>
    private List<(long Start, long End)>? _scattered;

    /// <summary>1 when nobody needs its memory to send it any more.</summary>
    private int _isSent;

    /// <summary>Told of its end.</summary>
    public INbdOwner Owner { get; } = owner;

    /// <summary>What the owner calls it.</summary>
    public uint Tag { get; } = tag;

    /// <summary>What to do.</summary>
    public NbdCommand Command { get; set; }

    /// <summary>How to do it.</summary>
    public ushort Flags { get; set; }

    /// <summary>First byte on the disk.</summary>
    public long OffsetBytes { get; set; }

    /// <summary>Bytes.</summary>
    public uint LengthBytes { get; set; }

    /// <summary>Memory of a read or a write, as long as the request says.</summary>
    public ArraySegment<Segment> Memory { get; set; }

    /// <summary>For a question about a range: for how many bytes the answer holds, and the answer.</summary>
    public (long LengthBytes, uint Flags) Extent { get; set; }

    /// <summary>What the server knows it by. The client's.</summary>
    public ulong Cookie { get; set; }

    /// <summary>The first error that the server has told of; 0 for none. The client's.</summary>
    public uint Error { get; set; }

    /// <summary>When it was sent in vain for the first time, in milliseconds of the system's clock; 0 for never. The client's.</summary>
    public long LostAtMs { get; set; }

    /// <summary>Up to where a read has come without a gap, and how many bytes have come in all; both from its beginning.</summary>
    private long _prefix;
    private long _covered;

    /// <summary>Whether nobody needs its memory to send it any more.</summary>
    public bool IsSent
    {
        // Acquire: whoever ends the request does so behind the sender's last look at its memory.
        get => Volatile.Read(ref _isSent) != 0;
        // Release: behind the sender's last look at the memory.
        set => Volatile.Write(ref _isSent, value ? 1 : 0);
    }

    /// <summary>Whether all that was asked for has come.</summary>
    public bool IsCovered => _covered == LengthBytes;

    /// <summary>Forgets what has come.</summary>
    public void Begin()
    {
        (_prefix, _covered, Error, Extent) = (0, 0, 0, default);
        _scattered?.Clear();
        IsSent = false;
    }

    /// <summary>Notes that a part has come.</summary>
    /// <param name="start">First byte, from the beginning of the request.</param>
    /// <param name="length">Bytes, within the request.</param>
    /// <exception cref="ImageException">It has come before.</exception>
    public void Cover(long start, long length)
    {
        long end = start + length;
        bool isNew = start >= _prefix;
        for (int index = 0; isNew && _scattered is not null && index < _scattered.Count; index++)
        {
            isNew = end <= _scattered[index].Start || start >= _scattered[index].End;
        }

        if (!isNew || _scattered is { Count: ScatteredMax })
        {
            throw new ImageException($"byte {OffsetBytes + start} came twice, or the answer in too many pieces");
        }

        _covered += length;
        if (start == _prefix)
        {
            _prefix = end;
        }
        else
        {
            (_scattered ??= []).Add((start, end));
        }
    }
}
