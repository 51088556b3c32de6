using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Engines;

/// <summary>An engine that can tell the kernel beforehand in which memory its requests lie.</summary>
internal interface IMemoryRegistrar
{
    /// <summary>Registers memory. Before the first request, and before the engine's loop uses it.</summary>
    /// <param name="memory">The memory; stays mapped until the engine is disposed.</param>
    /// <returns>Null, or why the kernel or the memory does not allow it; requests are then as they were.</returns>
    string? Register(GuestMemory memory);
}
