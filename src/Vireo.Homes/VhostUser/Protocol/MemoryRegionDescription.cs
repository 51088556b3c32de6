using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>One region of the driver's memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MemoryRegionDescription
{
    /// <summary>Address in the guest.</summary>
    public ulong GuestAddress;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;

    /// <summary>Address in the front-end's own space, by which it names rings.</summary>
    public ulong UserAddress;

    /// <summary>Where in the file the region begins, in bytes.</summary>
    public ulong FileOffset;
}
