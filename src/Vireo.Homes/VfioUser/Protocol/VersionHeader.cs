using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What VERSION begins with; capabilities follow as JSON with a terminating zero.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VersionHeader
{
    /// <summary>Versions with different numbers do not understand each other.</summary>
    public ushort Major;

    /// <summary>A higher number understands all lower ones.</summary>
    public ushort Minor;
}
