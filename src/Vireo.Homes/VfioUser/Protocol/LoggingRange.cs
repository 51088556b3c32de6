using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>A range of memory of which a client wants to know what the device writes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LoggingRange
{
    /// <summary>Address by which the device names the first byte.</summary>
    public ulong Address;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;
}
