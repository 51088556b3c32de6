using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What MIG_DATA_READ and MIG_DATA_WRITE begin with, both ways; data may follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MigrationDataHeader
{
    /// <summary>The longest answer the client takes, or the length of the payload.</summary>
    public uint ArgumentBytes;

    /// <summary>How many bytes of data.</summary>
    public uint Count;
}
