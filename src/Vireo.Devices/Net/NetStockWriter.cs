using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>Writes bytes in order into buffers of a stock, filling each completely before the next.</summary>
/// <param name="stock">The buffers; there has to be room for all that is written.</param>
internal ref struct NetStockWriter(NetBufferStock stock)
{
    private ReadOnlySpan<Segment> _segments = stock.Segments;

    /// <summary>Bytes of the first segment that were written.</summary>
    private int _offset;

    /// <summary>Writes a structure.</summary>
    public void Write<T>(T value)
        where T : unmanaged => Write(Wire.Bytes(ref value));

    /// <summary>Writes bytes.</summary>
    public void Write(scoped ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            Span<byte> room = _segments[0].Bytes[_offset..];
            int count = Math.Min(room.Length, source.Length);
            source[..count].CopyTo(room);
            source = source[count..];
            _offset += count;
            if (_offset == _segments[0].Length)
            {
                _segments = _segments[1..];
                _offset = 0;
            }
        }
    }
}
