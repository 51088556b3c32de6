using Vireo.Core.Memory;

namespace Vireo.Core.Transports.Ccw;

/// <summary>Where the data of one channel command lies in guest memory: one range, a list of addresses, or several chained ones.</summary>
internal sealed class ChannelData
{
    private readonly GuestMemory _memory;
    private readonly List<(GuestRange Range, bool IsSkipped)> _ranges = [];

    /// <summary>Makes an empty list.</summary>
    /// <param name="memory">The memory its ranges lie in.</param>
    public ChannelData(GuestMemory memory) => _memory = memory;

    /// <summary>How many bytes the program provides.</summary>
    public int Count { get; private set; }

    /// <summary>Appends a range.</summary>
    /// <param name="address">Address of the first byte.</param>
    /// <param name="count">Length in bytes.</param>
    /// <param name="isSkipped">Whether what is written there is dropped.</param>
    public void Add(ulong address, int count, bool isSkipped)
    {
        if (count > 0)
        {
            _ranges.Add((new(new(address), (uint)count), isSkipped));
            Count += count;
        }
    }

    /// <summary>Reads the first bytes.</summary>
    /// <param name="destination">Filled; at most <see cref="Count"/> bytes.</param>
    /// <returns>False when they are not all memory.</returns>
    public bool TryRead(Span<byte> destination)
    {
        foreach ((GuestRange range, _) in _ranges)
        {
            int length = (int)Math.Min(range.LengthBytes, (uint)destination.Length);
            if (length > 0 && !_memory.TryRead(range.Address, destination[..length]))
            {
                return false;
            }

            destination = destination[length..];
        }

        return true;
    }

    /// <summary>Writes the first bytes.</summary>
    /// <param name="source">The bytes; at most <see cref="Count"/>.</param>
    /// <returns>False when they are not all memory.</returns>
    public bool TryWrite(ReadOnlySpan<byte> source)
    {
        foreach ((GuestRange range, bool isSkipped) in _ranges)
        {
            int length = (int)Math.Min(range.LengthBytes, (uint)source.Length);
            if (length > 0 && !isSkipped && !_memory.TryWrite(range.Address, source[..length]))
            {
                return false;
            }

            source = source[length..];
        }

        return true;
    }
}
