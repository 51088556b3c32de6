namespace Vireo.Devices.Block;

/// <summary>What one queue has done since the device was made; goes on counting when the queue is started anew.</summary>
/// <remarks>Written by the queue's loop, read by any thread: each number is current, all together are not one moment.</remarks>
public sealed class BlockQueueStatistics
{
    private long _requests;
    private long _errors;
    private long _readBytes;
    private long _writtenBytes;

    /// <summary>Requests answered, whatever the answer.</summary>
    // Acquire: pairs with the loop's stores; a number only has to be current.
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Requests answered with something else than OK.</summary>
    // Acquire: as above.
    public long Errors => Volatile.Read(ref _errors);

    /// <summary>Bytes read from the disk for requests answered with OK.</summary>
    // Acquire: as above.
    public long ReadBytes => Volatile.Read(ref _readBytes);

    /// <summary>Bytes written to the disk for requests answered with OK.</summary>
    // Acquire: as above.
    public long WrittenBytes => Volatile.Read(ref _writtenBytes);

    /// <summary>Counts one request; on the queue's loop.</summary>
    internal void Add(BlockStatus status, uint readBytes, uint writtenBytes)
    {
        // Plain stores: aligned, written by this thread alone, and nothing is read by the order of them.
        _requests++;
        _readBytes += readBytes;
        _writtenBytes += writtenBytes;
        if (status != BlockStatus.Ok)
        {
            _errors++;
        }
    }
}
