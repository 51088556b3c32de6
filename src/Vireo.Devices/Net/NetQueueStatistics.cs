namespace Vireo.Devices.Net;

/// <summary>What one queue has done since the device was made; goes on counting when the queue is started anew.</summary>
/// <remarks>Written by the queue's loop, read by any thread: each number is current, all together are not one moment.</remarks>
public sealed class NetQueueStatistics
{
    private long _packets;
    private long _bytes;
    private long _errors;
    private long _filtered;
    private long _noBuffers;
    private long _lost;
    private long _partialChecksums;
    private long _validChecksums;
    private long _unsegmentedPackets;
    private long _unsegmentedBytes;

    /// <summary>Packets that went through.</summary>
    // Acquire: pairs with the loop's stores; a number only has to be current.
    public long Packets => Volatile.Read(ref _packets);

    /// <summary>Their bytes, Ethernet headers included.</summary>
    // Acquire: as above.
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Packets that were dropped because they, or the driver's buffers, were wrong.</summary>
    // Acquire: as above.
    public long Errors => Volatile.Read(ref _errors);

    /// <summary>Packets that the driver does not want: another address, another VLAN, or the link is down.</summary>
    // Acquire: as above.
    public long Filtered => Volatile.Read(ref _filtered);

    /// <summary>How often there was no buffer for a packet that had come.</summary>
    // Acquire: as above.
    public long NoBuffers => Volatile.Read(ref _noBuffers);

    /// <summary>Packets that were lost because there was no buffer for them.</summary>
    // Acquire: as above.
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Packets whose checksum was yet to be completed.</summary>
    // Acquire: as above.
    public long PartialChecksums => Volatile.Read(ref _partialChecksums);

    /// <summary>Packets whose checksum was known to be right.</summary>
    // Acquire: as above.
    public long ValidChecksums => Volatile.Read(ref _validChecksums);

    /// <summary>Packets that were yet to be segmented.</summary>
    // Acquire: as above.
    public long UnsegmentedPackets => Volatile.Read(ref _unsegmentedPackets);

    /// <summary>Their bytes, headers included.</summary>
    // Acquire: as above.
    public long UnsegmentedBytes => Volatile.Read(ref _unsegmentedBytes);

    // Plain stores below: aligned, written by one thread alone, and nothing is read by the order of them.

    /// <summary>Counts a packet that went through.</summary>
    internal void AddPacket(int lengthBytes)
    {
        _packets++;
        _bytes += lengthBytes;
    }

    /// <summary>Counts packets that went through.</summary>
    internal void AddPackets(int count, long bytes)
    {
        _packets += count;
        _bytes += bytes;
    }

    /// <summary>Counts a packet that went through with something yet to be done to it, beside <see cref="AddPacket"/>.</summary>
    internal void AddOffload(NetHeader header, int lengthBytes)
    {
        _partialChecksums += header.IsChecksumPartial ? 1 : 0;
        _validChecksums += (header.Flags & NetHeader.DataValid) != 0 ? 1 : 0;
        if (header.Segmentation != NetSegmentation.None)
        {
            _unsegmentedPackets++;
            _unsegmentedBytes += lengthBytes;
        }
    }

    /// <summary>Counts packets that were lost for want of a buffer.</summary>
    internal void AddLost(int count = 1) => _lost += count;

    /// <summary>Counts a packet that was wrong.</summary>
    internal void AddError() => _errors++;

    /// <summary>Counts a packet that is not wanted.</summary>
    internal void AddFiltered() => _filtered++;

    /// <summary>Counts a packet that found no buffer.</summary>
    internal void AddNoBuffer() => _noBuffers++;
}
