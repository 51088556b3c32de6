using System.Runtime.CompilerServices;
using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>Looks at chains before they are taken, so that their memory is on its way.</summary>
public abstract partial class DeviceQueue
{
    /// <summary>How many more chains may be looked at ahead. Zero where memory is not simply mapped: then each is taken by itself.</summary>
    private protected int AheadRoom => _ahead.Length;

    /// <summary>Whether a chain was looked at and not yet taken.</summary>
    private protected bool HasAhead => _aheadNext < _aheadCount;

    /// <summary>Begins to look ahead; nothing is there to be taken now.</summary>
    private protected void BeginLooking() => _aheadNext = _aheadCount = 0;

    /// <summary>Looks at a chain of one descriptor, to be taken after those that were looked at before; has room for <see cref="AheadRoom"/>.</summary>
    /// <remarks>The memory is on its way to this processor when the chain is taken.</remarks>
    /// <param name="head">The chain's head, below the queue size.</param>
    /// <param name="address">Guest address of its buffer.</param>
    /// <param name="lengthBytes">Length of its buffer.</param>
    /// <param name="isWritable">Whether the device writes to it.</param>
    /// <returns>False when it needs more than a look: it is then taken in the common way.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected bool TryLookAt(ushort head, ulong address, uint lengthBytes, bool isWritable)
    {
        MemoryAccess access = isWritable ? MemoryAccess.Write : MemoryAccess.Read;
        if (!IsNear(address, lengthBytes, access) && !TryComeNear(address, lengthBytes, access))
        {
            return false;
        }

        nint host = _near.HostAddress + (nint)(address - _near.Address.Value);
        _aheadPieces[_aheadCount] = new(host, lengthBytes);
        _ahead[_aheadCount++] = new(head, isWritable);
        if (!isWritable)
        {
            Segment.Expect(host, Math.Min(lengthBytes, ReadBytesExpected));
        }
        else if (!IsOverwriting)
        {
            Segment.Expect(host, lengthBytes);
        }

        return true;
    }

    /// <summary>All were looked at: the memory that the device will write is claimed at once, and nothing else is stored meanwhile.</summary>
    private protected void EndLooking()
    {
        bool isOverwriting = IsOverwriting;
        for (int index = 0; index < _aheadCount; index++)
        {
            if (!_ahead[index].IsWritable)
            {
                continue;
            }

            if (isOverwriting)
            {
                ref readonly Segment piece = ref _aheadPieces[index];
                if (piece.IsStartApart(StartBytes))
                {
                    Segment.SeizeBehindStart(in piece);
                }
                else
                {
                    Segment.Seize(in piece);
                }
            }
            else
            {
                Segment.Claim(in _aheadPieces[index]);
            }
        }
    }

    /// <summary>Takes the first of the chains that were looked at.</summary>
    /// <param name="chain">The chain.</param>
    /// <returns>False with a fault latched; then none of them is there any more.</returns>
    private protected bool TryTakeAhead(out DescriptorChain chain)
    {
        int index = _aheadNext++;
        Ahead ahead = _ahead[index];
        ReadOnlySpan<Segment> piece = _aheadPieces.AsSpan(index, 1);
        uint bytes = (uint)piece[0].Length;
        uint writableBytes = ahead.IsWritable ? bytes : 0;
        chain = new(ahead.Head, piece, ahead.IsWritable ? 0 : 1, bytes - writableBytes, writableBytes);
        if (TryHold(ahead.Head, writableBytes, descriptors: 1))
        {
            return true;
        }

        BeginLooking();
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsNear(ulong address, uint lengthBytes, MemoryAccess access)
    {
        ulong start = _near.Address.Value;
        return address >= start
            && address - start < _near.LengthBytes
            && lengthBytes <= _near.LengthBytes - (address - start)
            && lengthBytes is > 0 and <= AheadBytesMax
            && (_near.Access & access) == access;
    }

    /// <summary>Looks for a buffer among the other regions.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryComeNear(ulong address, uint lengthBytes, MemoryAccess access)
    {
        foreach (ref readonly MemoryRegion region in _mapped!.Regions)
        {
            if (address >= region.Address.Value && address <= region.Last.Value)
            {
                _near = region;
                return IsNear(address, lengthBytes, access);
            }
        }

        return false;
    }
}
