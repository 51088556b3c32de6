namespace Vireo.Cli.Demo;

/// <summary>What the user wants of the demonstration.</summary>
internal sealed record DemoOptions
{
    /// <summary>A script that runs in the guest in place of a shell; null for a shell.</summary>
    public byte[]? Script { get; init; }

    /// <summary>The disk's image, which is kept; null for a fresh one that goes when the guest has gone.</summary>
    public string? DiskPath { get; init; }

    /// <summary>Processors of the guest.</summary>
    public int ProcessorCount { get; init; } = 2;

    /// <summary>Memory of the guest in MiB.</summary>
    public int MemoryMebibytes { get; init; } = 512;

    /// <summary>Whether KVM is left alone even where it works.</summary>
    public bool IsEmulated { get; init; }

    /// <summary>How long the script may take, boot included; zero for as long as it likes.</summary>
    public TimeSpan TimeLimit { get; init; }
}
