using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>Reads the device-readable bytes of a chain in order, however the driver cut them into buffers.</summary>
/// <remarks>Devices must not rely on how a message is framed (VIRTIO 1.4 §2.7.4): this is how they do not.</remarks>
public ref struct ChainReader
{
    private ReadOnlySpan<Segment> _segments;

    /// <summary>Bytes of the first segment that were consumed.</summary>
    private int _offset;

    internal ChainReader(ReadOnlySpan<Segment> segments, uint bytes)
    {
        _segments = segments;
        Remaining = bytes;
    }

    /// <summary>Bytes not yet read.</summary>
    public uint Remaining { get; private set; }

    /// <summary>Reads a structure.</summary>
    /// <returns>False when fewer bytes remain than it has; nothing is consumed then.</returns>
    public bool TryRead<T>(out T value)
        where T : unmanaged
    {
        // Nearly every driver puts a structure into one buffer: then it is one load and no loop.
        if (Remaining >= (uint)Wire.SizeOf<T>() && Wire.TryRead(_segments[0].Bytes[_offset..], out value))
        {
            Advance(Wire.SizeOf<T>());
            return true;
        }

        value = default;
        return TryCopyTo(Wire.Bytes(ref value));
    }

    /// <summary>Reads bytes.</summary>
    /// <param name="destination">Filled entirely.</param>
    /// <returns>False when fewer bytes remain than asked for; nothing is consumed then.</returns>
    public bool TryCopyTo(scoped Span<byte> destination)
    {
        if (Remaining < (uint)destination.Length)
        {
            return false;
        }

        while (destination.Length > 0)
        {
            ReadOnlySpan<byte> bytes = _segments[0].Bytes[_offset..];
            int count = Math.Min(bytes.Length, destination.Length);
            bytes[..count].CopyTo(destination);
            destination = destination[count..];
            Advance(count);
        }

        return true;
    }

    /// <summary>Passes over bytes.</summary>
    /// <param name="count">How many.</param>
    /// <returns>False when fewer remain; nothing is consumed then.</returns>
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

    /// <summary>Takes bytes as segments, for a backend that reads guest memory itself.</summary>
    /// <param name="count">How many bytes.</param>
    /// <param name="destination">Receives the segments.</param>
    /// <param name="used">How many segments were written to <paramref name="destination"/>.</param>
    /// <returns>False when fewer bytes remain or the destination is too short; the reader is then spent in part.</returns>
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

    private void Advance(int count)
    {
        _offset += count;
        Remaining -= (uint)count;
        if (_offset == _segments[0].Length)
        {
            _segments = _segments[1..];
            _offset = 0;
        }
    }
}
