namespace Vireo.Tests.Backends.Block.Images;

/// <summary>What a <see cref="SimulatedImageFile"/> was asked to do.</summary>
internal enum SimulatedCall
{
    Read,
    Write,
    Sync,
}
