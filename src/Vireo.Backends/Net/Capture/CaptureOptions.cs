namespace Vireo.Backends.Net.Capture;

/// <summary>How packets are recorded.</summary>
public sealed record CaptureOptions
{
    /// <summary>How many bytes of each frame are kept, 14 to 262,144.</summary>
    public int SnapBytes { get; init; } = 262_144;

    /// <summary>At which size a new file is begun; 0 for never.</summary>
    public long FileBytesMax { get; init; }

    /// <summary>How many files are kept when a new one is begun, from 1: the one written to, and older ones named <c>FILE.1</c>, <c>FILE.2</c>.</summary>
    public int FilesMax { get; init; } = 4;
}
