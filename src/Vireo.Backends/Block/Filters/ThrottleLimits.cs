namespace Vireo.Backends.Block.Filters;

/// <summary>How much of a disk its guest may use; 0 for no limit.</summary>
/// <remarks>
/// A burst is what may be used at once after a pause, on top of the rate; 0 for a tenth of a second's worth. A request that is
/// larger than all that is let through when nothing is owed, and paid for afterwards.
/// </remarks>
public sealed record ThrottleLimits
{
    /// <summary>Requests per second.</summary>
    public long RequestsPerSecond { get; init; }

    /// <summary>Requests at once after a pause.</summary>
    public long RequestsBurst { get; init; }

    /// <summary>Bytes read and written per second.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Bytes at once after a pause.</summary>
    public long BytesBurst { get; init; }
}
