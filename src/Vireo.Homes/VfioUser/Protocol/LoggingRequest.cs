using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The data of the feature that starts the log of what a device writes; ranges follow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LoggingRequest
{
    /// <summary>What one bit is to stand for, in bytes; in the answer, what it does.</summary>
    public ulong PageBytes;

    /// <summary>How many ranges follow.</summary>
    public uint RangeCount;

    /// <summary>Zero.</summary>
    public uint Reserved;
}
