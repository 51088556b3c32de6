namespace Vireo.Cli.Demo;

/// <summary>Where the devices of a demonstration are to be found.</summary>
/// <param name="Disk">The block device's socket.</param>
/// <param name="Entropy">The entropy device's socket.</param>
internal sealed record DemoSockets(string Disk, string Entropy);
