using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>Writes the device-writable bytes of a chain in order, however the driver cut them into buffers.</summary>
/// <remarks>Devices must not rely on how a message is framed (VIRTIO 1.4 §2.7.4): this is how they do not.</remarks>
public ref struct ChainWriter
{
    private ReadOnlySpan<Segment> _segments;

    /// <summary>Bytes of the first segment that were written or passed over.</summary>
    private int _offset;

    internal ChainWriter(ReadOnlySpan<Segment> segments, uint bytes)
    {
        _segments = segments;
        Remaining = bytes;
    }

    /// <summary>Bytes not yet written.</summary>
    public uint Remaining { get; private set; }

    /// <summary>Bytes written or passed over: what the device reports as used when it writes no more.</summary>
    public uint Written { get; private set; }

    /// <summary>Writes a structure.</summary>
    /// <returns>False when fewer bytes remain than it has; nothing is written then.</returns>
    public bool TryWrite<T>(T value)
        where T : unmanaged => TryCopyFrom(Wire.Bytes(ref value));

    /// <summary>Writes bytes.</summary>
    /// <returns>False when fewer bytes remain; nothing is written then.</returns>
    public bool TryCopyFrom(scoped ReadOnlySpan<byte> source)
    {
        if (Remaining < (uint)source.Length)
        {
            return false;
        }

        while (source.Length > 0)
        {
            Span<byte> bytes = _segments[0].Bytes[_offset..];
            int count = Math.Min(bytes.Length, source.Length);
            source[..count].CopyTo(bytes);
            source = source[count..];
            Advance(count);
        }

        return true;
    }

    /// <summary>Passes over bytes, leaving them as they are.</summary>
    /// <param name="count">How many.</param>
    /// <returns>False when fewer remain; nothing is passed over then.</returns>
    public bool TrySkip(uint count)
    {
        if (Remaining < count)
        {
            return false;
        }

        while (count > 0)
        {
            int step = (int)Math.Min((uint)(_segments[0].Length - _offset), count);
            count -= (uint)step;
            Advance(step);
        }

        return true;
    }

    /// <summary>Takes bytes as segments, for a backend that writes guest memory itself.</summary>
    /// <param name="count">How many bytes.</param>
    /// <param name="destination">Receives the segments.</param>
    /// <param name="used">How many segments were written to <paramref name="destination"/>.</param>
    /// <returns>False when fewer bytes remain or the destination is too short; the writer is then spent in part.</returns>
    public bool TryTake(uint count, Span<Segment> destination, out int used)
    {
        used = 0;
        if (Remaining < count)
        {
            return false;
        }

        while (count > 0)
        {
            int step = (int)Math.Min((uint)(_segments[0].Length - _offset), count);
            if (used == destination.Length)
            {
                return false;
            }

            destination[used++] = _segments[0].Slice(_offset, step);
            count -= (uint)step;
            Advance(step);
        }

        return true;
    }

    /// <summary>The next contiguous writable bytes, in place; empty when none remain. Follow with <see cref="TrySkip"/>.</summary>
    public readonly Span<byte> Next => _segments.IsEmpty ? [] : _segments[0].Bytes[_offset..];

    private void Advance(int count)
    {
        _offset += count;
        Remaining -= (uint)count;
        Written += (uint)count;
        if (_offset == _segments[0].Length)
        {
            _segments = _segments[1..];
            _offset = 0;
        }
    }
}
