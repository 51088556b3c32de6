namespace Vireo.Drivers.Block;

/// <summary>How a <see cref="BlockDriver"/> uses its device.</summary>
public sealed record BlockDriverOptions : DriverOptions
{
    /// <summary>How many buffers one request may consist of unless stated otherwise.</summary>
    private const int UsualSegments = 8;

    /// <summary>How many buffers one request may consist of, 1 to 1024; the device may take fewer.</summary>
    public int SegmentsMax { get; init; } = UsualSegments;

    /// <summary>Bytes that a blocking call moves with one request, a multiple of 4096; longer calls make several requests.</summary>
    public int TransferBytes { get; init; } = 256 << 10;
}
