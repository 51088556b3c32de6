namespace Vireo.Backends.Net.Limits;

/// <summary>How much may pass a port in each direction.</summary>
/// <param name="BitsPerSecond">Bits of frames, 0 for no limit.</param>
/// <param name="PacketsPerSecond">Frames, 0 for no limit; one that is yet to be segmented is one.</param>
public sealed record PortLimits(long BitsPerSecond, long PacketsPerSecond);
