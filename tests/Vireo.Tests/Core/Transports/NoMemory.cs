using Vireo.Core.Memory;

namespace Vireo.Tests.Core.Transports;

/// <summary>Guest memory without any.</summary>
internal static class NoMemory
{
    public static GuestMemory Create() => new MappedMemory([]);
}
