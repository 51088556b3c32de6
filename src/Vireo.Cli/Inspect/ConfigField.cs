namespace Vireo.Cli.Inspect;

/// <summary>A field of a device type's configuration space.</summary>
/// <param name="Offset">Its first byte.</param>
/// <param name="LengthBytes">Its length; 1, 2, 4 and 8 are little-endian numbers.</param>
/// <param name="Name">Its name in the specification; that of its structure and a dot before it where there is one.</param>
/// <param name="Features">The bits of which one has to be offered for the field to mean something; empty for always.</param>
internal sealed record ConfigField(int Offset, int LengthBytes, string Name, IReadOnlyList<int> Features);
