using Vireo.Core.Memory;
using Vireo.Linux.Files;

namespace Vireo.Backends.Block.Engines;

/// <summary>The pieces in which a memory was registered with io_uring, and which of them holds a segment.</summary>
internal sealed class RegisteredMemory
{
    /// <summary>The longest piece the kernel takes.</summary>
    private const ulong PieceBytesMax = 1ul << 30;

    /// <summary>The pieces by ascending host address, none overlapping.</summary>
    private readonly IoVector[] _pieces;

    /// <summary>The piece that held the segment that was last looked for.</summary>
    private int _last;

    /// <summary>Cuts regions into pieces. What a device may not write to is left out: the kernel pins for writing.</summary>
    public RegisteredMemory(ReadOnlySpan<MemoryRegion> regions)
    {
        List<IoVector> pieces = [];
        foreach (ref readonly MemoryRegion region in regions)
        {
            for (ulong offset = 0; offset < region.LengthBytes && region.Access.HasFlag(MemoryAccess.Write); )
            {
                ulong length = Math.Min(region.LengthBytes - offset, PieceBytesMax);
                pieces.Add(new(region.HostAddress + (nint)offset, (nuint)length));
                offset += length;
            }
        }

        pieces.Sort(static (left, right) => left.Base.CompareTo(right.Base));
        _pieces = [.. pieces];
        foreach (IoVector piece in _pieces)
        {
            LengthBytes += (long)piece.Length;
        }
    }

    /// <summary>The pieces, in the order in which they are to be registered.</summary>
    public ReadOnlySpan<IoVector> Vectors => _pieces;

    /// <summary>Length of all of them.</summary>
    public long LengthBytes { get; }

    /// <summary>Finds the piece that holds all of a vector.</summary>
    /// <param name="vector">The vector, at least 1 byte.</param>
    /// <param name="index">The piece, when there is one.</param>
    /// <returns>False when it lies elsewhere, or in two pieces.</returns>
    public bool TryFind(IoVector vector, out ushort index)
    {
        if (_pieces.Length == 0)
        {
            index = 0;
            return false;
        }

        if (!Holds(_pieces[_last], vector))
        {
            _last = Search(vector.Base);
        }

        index = (ushort)_last;
        return Holds(_pieces[_last], vector);
    }

    private static bool Holds(IoVector piece, IoVector vector) =>
        vector.Base >= piece.Base
        && vector.Length <= piece.Length
        && (nuint)(vector.Base - piece.Base) <= piece.Length - vector.Length;

    /// <summary>The last piece that does not begin behind an address, or the first.</summary>
    private int Search(nint address)
    {
        int low = 0;
        int high = _pieces.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_pieces[middle].Base <= address)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }
}
