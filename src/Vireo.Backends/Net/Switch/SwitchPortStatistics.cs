namespace Vireo.Backends.Net.Switch;

/// <summary>What one port of a switch has done. Written by the switch's loop, read by any thread.</summary>
public sealed class SwitchPortStatistics
{
    private long _packetsIn;
    private long _bytesIn;
    private long _packetsOut;
    private long _bytesOut;
    private long _flooded;
    private long _floodsRefused;
    private long _vlanDrops;
    private long _fullDrops;

    /// <summary>Frames that came from whoever is plugged in.</summary>
    // Acquire: pairs with the loop's stores; a number only has to be current.
    public long PacketsIn => Volatile.Read(ref _packetsIn);

    /// <summary>Their bytes.</summary>
    // Acquire: as above.
    public long BytesIn => Volatile.Read(ref _bytesIn);

    /// <summary>Frames that whoever is plugged in was given.</summary>
    // Acquire: as above.
    public long PacketsOut => Volatile.Read(ref _packetsOut);

    /// <summary>Their bytes.</summary>
    // Acquire: as above.
    public long BytesOut => Volatile.Read(ref _bytesOut);

    /// <summary>Frames from here that went to all other ports.</summary>
    // Acquire: as above.
    public long Flooded => Volatile.Read(ref _flooded);

    /// <summary>Frames from here that were to go to all other ports, and were too many.</summary>
    // Acquire: as above.
    public long FloodsRefused => Volatile.Read(ref _floodsRefused);

    /// <summary>Frames from here whose tag does not belong on this port.</summary>
    // Acquire: as above.
    public long VlanDrops => Volatile.Read(ref _vlanDrops);

    /// <summary>Frames for here that were lost: there was no buffer, or they were not wanted.</summary>
    // Acquire: as above.
    public long FullDrops => Volatile.Read(ref _fullDrops);

    // Plain stores below: aligned, written by one thread alone, and nothing is read by the order of them.

    internal void AddIn(long bytes, int count = 1)
    {
        _packetsIn += count;
        _bytesIn += bytes;
    }

    internal void AddOut(long bytes, int count = 1)
    {
        _packetsOut += count;
        _bytesOut += bytes;
    }

    internal void AddFlooded() => _flooded++;

    internal void AddFloodRefused() => _floodsRefused++;

    internal void AddVlanDrop() => _vlanDrops++;

    internal void AddFullDrop(int count = 1) => _fullDrops += count;
}
