using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Where in a file the dirty log lies.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LogDescription
{
    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;

    /// <summary>Where in the file the log begins, in bytes.</summary>
    public ulong FileOffset;
}
