namespace Vireo.Backends.Block.Images;

/// <summary>How an image is opened.</summary>
public sealed record ImageOptions
{
    /// <summary>Its format; null to look at its first bytes.</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>Whether it is opened for reading only.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Whether other programs that heed QEMU's image locks are kept from writing to it at the same time.</summary>
    public bool IsLocked { get; init; } = true;

    /// <summary>Whether nothing needs to be stable, ever.</summary>
    public bool IsUnsafe { get; init; }

    /// <summary>Whether backing images are opened, too.</summary>
    public bool OpensBacking { get; init; } = true;

    /// <summary>Id or name of the snapshot to show, for reading only; null for the present state.</summary>
    public string? Snapshot { get; init; }

    /// <summary>Called with a sentence about what people should know; null for nobody.</summary>
    public Action<string>? Warn { get; init; }
}
