using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>A mapping of memory that a peer shares, and what keeps this process alive when the peer takes it away.</summary>
internal sealed class GuardedMapping : IDisposable
{
    private readonly MemoryGuard? _guard;

    /// <summary>Takes over a mapping.</summary>
    /// <param name="mapping">The mapping; becomes this object's.</param>
    /// <param name="guard">Its guard, which becomes this object's; null for memory that nobody can take away.</param>
    public GuardedMapping(MemoryMapping mapping, MemoryGuard? guard)
    {
        Mapping = mapping;
        _guard = guard;
    }

    /// <summary>The mapping; stays this object's.</summary>
    public MemoryMapping Mapping { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address => Mapping.Address;

    /// <summary>Length in bytes.</summary>
    public nuint Length => Mapping.Length;

    /// <summary>Unmaps it; nobody touches it any more.</summary>
    public void Dispose()
    {
        _guard?.Dispose();
        Mapping.Dispose();
    }
}
