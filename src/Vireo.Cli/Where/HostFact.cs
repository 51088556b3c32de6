namespace Vireo.Cli.Where;

/// <summary>Something that a home needs of the host.</summary>
/// <param name="Name">What it is.</param>
/// <param name="IsThere">Whether the host has it, for this user.</param>
/// <param name="Note">What it is good for, or what to do to have it.</param>
internal sealed record HostFact(string Name, bool IsThere, string Note);
