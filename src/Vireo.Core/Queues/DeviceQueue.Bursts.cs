using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>Takes and gives back many chains at once, where nothing has to be remembered of them in between.</summary>
public abstract partial class DeviceQueue
{
    /// <summary>The most chains that <see cref="Peek"/> shows.</summary>
    public const int PeekMax = AheadMax;

    /// <summary>Looks at the chains that are next, as far as each is one buffer of the kind that is wanted. None of them is taken.</summary>
    /// <remarks>
    /// For devices that treat packets in bursts. What they are done with they give back by <see cref="CompletePeeked(int)"/>; what
    /// they leave comes again, here or in <see cref="TryPop"/>. Nothing is shown where each chain has to be taken by itself: with a record of chains in
    /// flight, with a dirty log, or while an older chain is held under IN_ORDER.
    /// </remarks>
    /// <param name="access">Whether the device reads the buffers or writes them; one of the two.</param>
    /// <returns>The buffers, valid until the next call of this queue; none where <see cref="TryPop"/> is to be asked.</returns>
    public ReadOnlySpan<Segment> Peek(MemoryAccess access)
    {
        if (_inflight is not null || _orderCount > 0 || Fault != QueueFault.None)
        {
            return [];
        }

        if (!HasAhead)
        {
            LookAhead();
        }

        bool isWritable = access == MemoryAccess.Write;
        int room = Size - InFlight - UnpublishedChains;
        int start = _aheadNext;
        int end = start;
        int limit = Math.Min(_aheadCount, start + room);
        Ahead[] ahead = _ahead;
        Chain[] chains = _chains;
        // A head that is in flight, or one too many, is for TryPop to find.
        while (end < limit && ahead[end].IsWritable == isWritable && chains[ahead[end].Head].Stage == ChainStage.Free)
        {
            end++;
        }

        return _aheadPieces.AsSpan(start, end - start);
    }

    /// <summary>Gives the first of the chains that <see cref="Peek"/> showed back to the driver; nothing was written to them.</summary>
    /// <param name="count">How many, from 0.</param>
    public void CompletePeeked(int count)
    {
        ReadOnlySpan<Ahead> chains = TakePeeked(count);
        if (_order is null)
        {
            WriteUsed(chains, []);
            _written += count;
        }
        else if (count > 0)
        {
            _batch = new(chains[^1].Head, 0, _batch.Descriptors + count, _batch.Chains + count);
        }
    }

    /// <summary>Gives the first of the chains that <see cref="Peek"/> showed back to the driver, written to.</summary>
    /// <param name="writtenBytes">For each of them how many bytes from its start were written, at most its length.</param>
    public void CompletePeeked(ReadOnlySpan<uint> writtenBytes)
    {
        ReadOnlySpan<Segment> pieces = _aheadPieces.AsSpan(_aheadNext);
        ReadOnlySpan<Ahead> chains = TakePeeked(writtenBytes.Length);
        for (int index = 0; index < writtenBytes.Length; index++)
        {
            Invariant.That(writtenBytes[index] <= (uint)pieces[index].Length);
        }

        if (_order is null)
        {
            WriteUsed(chains, writtenBytes);
            _written += writtenBytes.Length;
            return;
        }

        for (int index = 0; index < writtenBytes.Length; index++)
        {
            AddToBatch(chains[index].Head, writtenBytes[index], (uint)pieces[index].Length, descriptors: 1);
        }
    }

    /// <summary>Looks at the chains that are next, up to one that needs more than a look, and notes them for <see cref="TryTakeAhead"/>.</summary>
    private protected abstract void LookAhead();

    /// <summary>Moves behind so many of the chains that were looked at.</summary>
    private protected abstract void PassAhead(int count);

    /// <summary>Writes one used entry for each of some chains of one descriptor; the driver must not see them before they are published.</summary>
    /// <param name="chains">The chains.</param>
    /// <param name="writtenBytes">For each how many bytes were written; empty for none in any.</param>
    private protected abstract void WriteUsed(ReadOnlySpan<Ahead> chains, ReadOnlySpan<uint> writtenBytes);

    private ReadOnlySpan<Ahead> TakePeeked(int count)
    {
        Invariant.That((uint)count <= (uint)(_aheadCount - _aheadNext));
        ReadOnlySpan<Ahead> chains = _ahead.AsSpan(_aheadNext, count);
        _aheadNext += count;
        ChainsTaken += (ulong)count;
        PassAhead(count);
        return chains;
    }
}
