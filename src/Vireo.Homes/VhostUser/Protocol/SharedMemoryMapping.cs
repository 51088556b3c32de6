using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A part of a file and its place in a shared memory region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SharedMemoryMapping
{
    /// <summary>Bit of <see cref="Flags"/>: the driver may write.</summary>
    public const ulong Writable = 1;

    /// <summary>Which region; seven bytes of padding follow.</summary>
    public ulong RegionId;

    /// <summary>First byte in the file.</summary>
    public ulong FileOffset;

    /// <summary>First byte in the region.</summary>
    public ulong RegionOffset;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;

    /// <summary>See <see cref="Writable"/>.</summary>
    public ulong Flags;
}
