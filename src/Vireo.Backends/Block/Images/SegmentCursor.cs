using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Images;

/// <summary>Walks over the memory of a request and lends parts of it.</summary>
/// <param name="segments">The memory; its segments are cut while they are lent, and put back.</param>
[StructLayout(LayoutKind.Auto)]
internal struct SegmentCursor(ArraySegment<Segment> segments)
{
    /// <summary>The segments from the current one on.</summary>
    private ArraySegment<Segment> _rest = segments;

    /// <summary>Bytes of the current segment that lie behind us.</summary>
    private int _skipped;

    /// <summary>How many segments are lent, and what the first and the last of them were.</summary>
    private int _lentCount;
    private Segment _first;
    private Segment _last;

    /// <summary>Lends the next bytes, until <see cref="TakeBack"/>.</summary>
    /// <param name="lengthBytes">How many; at least 1, at most what is left.</param>
    public ArraySegment<Segment> Lend(long lengthBytes)
    {
        Span<Segment> rest = _rest.AsSpan();
        long missing = lengthBytes + _skipped;
        int count = 0;
        while (missing > 0)
        {
            missing -= rest[count].Length;
            count++;
        }

        (_lentCount, _first, _last) = (count, rest[0], rest[count - 1]);
        int surplus = (int)-missing;
        if (surplus > 0)
        {
            rest[count - 1] = _last.Slice(0, _last.Length - surplus);
        }

        if (_skipped > 0)
        {
            rest[0] = rest[0].Slice(_skipped, rest[0].Length - _skipped);
        }

        return _rest[..count];
    }

    /// <summary>The lent segments are again as they were.</summary>
    public void TakeBack()
    {
        if (_lentCount > 0)
        {
            Span<Segment> rest = _rest.AsSpan();
            rest[_lentCount - 1] = _last;
            rest[0] = _first;
            _lentCount = 0;
        }
    }

    /// <summary>Moves on.</summary>
    /// <param name="lengthBytes">How far; at most what is left.</param>
    public void Advance(long lengthBytes)
    {
        long position = _skipped + lengthBytes;
        while (_rest.Count > 0 && position >= _rest[0].Length)
        {
            position -= _rest[0].Length;
            _rest = _rest[1..];
        }

        _skipped = (int)position;
    }

    /// <summary>Fills the next bytes with zeroes.</summary>
    public void Clear(long lengthBytes)
    {
        foreach (ref readonly Segment segment in Lend(lengthBytes).AsSpan())
        {
            segment.Bytes.Clear();
        }

        TakeBack();
    }

    /// <summary>Copies the next bytes to another place.</summary>
    public void CopyTo(Span<byte> destination)
    {
        foreach (ref readonly Segment segment in Lend(destination.Length).AsSpan())
        {
            segment.Bytes.CopyTo(destination);
            destination = destination[segment.Length..];
        }

        TakeBack();
    }

    /// <summary>Copies bytes to the next ones.</summary>
    public void CopyFrom(ReadOnlySpan<byte> source)
    {
        foreach (ref readonly Segment segment in Lend(source.Length).AsSpan())
        {
            source[..segment.Length].CopyTo(segment.Bytes);
            source = source[segment.Length..];
        }

        TakeBack();
    }
}
