using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>What an access to the configuration space begins with; its bytes follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ConfigHeader
{
    /// <summary>The most bytes that configuration spaces have in this protocol.</summary>
    public const int LengthMax = 256;

    /// <summary>First byte.</summary>
    public uint Offset;

    /// <summary>How many bytes.</summary>
    public uint LengthBytes;

    /// <summary>Why: 0 for the driver, 1 for a migration.</summary>
    public uint Flags;
}
