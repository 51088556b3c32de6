namespace Vireo.Backends.Block.Qcow2;

/// <content>Zeroes and discards.</content>
public sealed partial class Qcow2Image
{
    /// <summary>Zeroes written at once where a cluster cannot be told to be zero.</summary>
    private const int ZeroesAtOnce = 64 * 1024;

    /// <summary>All parts of a cluster with extended entries read as zeroes.</summary>
    private const ulong AllPartsZero = 0xFFFF_FFFF_0000_0000;

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, bool mayUnmap)
    {
        ThrowIfNotWritable(offset, length);
        long end = offset + length;
        (long first, long last) = WholeClusters(offset, end);
        if (first >= last || (_header.Version < 3 && (Backing is not null || !mayUnmap)))
        {
            WriteZeroBytes(offset, end);
            return;
        }

        WriteZeroBytes(offset, first);
        ForEachTable(first, last, (from, to) => ZeroClusters(from, to, mayUnmap));
        WriteZeroBytes(last, end);
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length)
    {
        ThrowIfNotWritable(offset, length);
        (long first, long last) = WholeClusters(offset, offset + length);

        // Without a flag for zeroes, what lies in a backing image would come to light.
        if (_header.Version >= 3 || Backing is null)
        {
            ForEachTable(first, last, DiscardClusters);
        }
    }

    /// <summary>The clusters that lie in a range as a whole; the last one of the disk may be shorter.</summary>
    private (long First, long Last) WholeClusters(long offset, long end)
    {
        long mask = _clusterBytes - 1L;
        return ((offset + mask) & ~mask, end == LengthBytes ? end : end & ~mask);
    }

    private void ForEachTable(long first, long last, Action<long, long> change)
    {
        while (first < last)
        {
            long end = Math.Min(last, (first | (_header.BytesPerL2 - 1)) + 1);
            lock (_slow)
            {
                PrepareToWrite();
                WaitForAllocations(first >> _clusterBits, (end - 1) >> _clusterBits);
                if (Backing is not null || Table(L1IndexOf(first)) is not null)
                {
                    change(first, end);
                }
            }

            first = end;
        }
    }

    private void ZeroClusters(long first, long end, bool mayUnmap)
    {
        L2Table table = WritableTable(L1IndexOf(first));
        for (; first < end; first += _clusterBytes)
        {
            int entry = EntryOf(first);
            ulong old = table.Words[entry];
            ThrowIfBad(table, entry, first);
            if (IsNothing(table, entry) && Backing is null)
            {
                continue;
            }

            bool keepsRoom = !mayUnmap && (old & (Copied | CompressedFlag)) == Copied && (old & OffsetMask) != 0;
            ulong room = keepsRoom ? (old & OffsetMask) | Copied : 0;
            ulong zero = _header.Version >= 3 && _entryWords == 1 ? ZeroFlag : 0;
            Change(table, entry, room | zero, _entryWords == 2 ? AllPartsZero : 0, keepsRoom);
        }
    }

    private void DiscardClusters(long first, long end)
    {
        L2Table table = WritableTable(L1IndexOf(first));
        for (; first < end; first += _clusterBytes)
        {
            int entry = EntryOf(first);
            bool isBad = table.BadEntries is { } bad && bad.Contains(entry);
            if (isBad || IsNothing(table, entry))
            {
                continue;
            }

            bool hidesBacking = Backing is not null;
            ulong zero = hidesBacking && _entryWords == 1 ? ZeroFlag : 0;
            Change(table, entry, zero, hidesBacking && _entryWords == 2 ? AllPartsZero : 0, keepsRoom: false);
        }
    }

    private void Change(L2Table table, int entry, ulong word, ulong bits, bool keepsRoom)
    {
        ulong old = table.Words[entry];
        if (old == word && (_entryWords == 1 || table.Words[entry + 1] == bits))
        {
            return;
        }

        SetEntry(table, entry, word, bits);
        if (!keepsRoom)
        {
            ReleaseOld(old);
        }
    }

    private bool IsNothing(L2Table table, int entry) =>
        table.Words[entry] == 0 && (_entryWords == 1 || table.Words[entry + 1] == 0);

    private void ThrowIfBad(L2Table table, int entry, long offset)
    {
        if (table.BadEntries is { } bad && bad.Contains(entry))
        {
            throw BadEntry(offset);
        }
    }

    private void WriteZeroBytes(long offset, long end)
    {
        byte[] zeroes = [];
        while (offset < end)
        {
            Images.ImageExtent extent = Map(offset, end - offset);
            bool isZero =
                extent.Kind == Images.ExtentKind.Zero
                || (extent.Kind == Images.ExtentKind.Unallocated && Backing is null);
            long length = isZero ? extent.LengthBytes : Math.Min(extent.LengthBytes, ZeroesAtOnce);
            if (!isZero)
            {
                zeroes = zeroes.Length == 0 ? new byte[ZeroesAtOnce] : zeroes;
                Write(offset, zeroes.AsSpan(0, (int)length));
            }

            offset += length;
        }
    }
}
