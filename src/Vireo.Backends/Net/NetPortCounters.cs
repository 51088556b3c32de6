namespace Vireo.Backends.Net;

/// <summary>What a port could not bring to or from its network. Each number is written by one loop and read by any thread.</summary>
public sealed class NetPortCounters
{
    private long _sendDrops;
    private long _receiveDrops;

    /// <summary>Frames that the network did not take.</summary>
    // Acquire: pairs with the loop's stores; a number only has to be current.
    public long SendDrops => Volatile.Read(ref _sendDrops);

    /// <summary>Frames from the network that could not be used.</summary>
    // Acquire: as above.
    public long ReceiveDrops => Volatile.Read(ref _receiveDrops);

    /// <summary>Counts a frame that was not taken.</summary>
    // Full: the loops of several pairs count here; it is rare.
    internal void AddSendDrop() => Interlocked.Increment(ref _sendDrops);

    /// <summary>Counts a frame that could not be used.</summary>
    // Full: as above.
    internal void AddReceiveDrop() => Interlocked.Increment(ref _receiveDrops);
}
