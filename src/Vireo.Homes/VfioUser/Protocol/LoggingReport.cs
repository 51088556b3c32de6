using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The data of the feature that reports what was written; in the answer a bitmap follows, one bit for a page.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LoggingReport
{
    /// <summary>The range that is asked for.</summary>
    public LoggingRange Range;

    /// <summary>What one bit stands for, in bytes.</summary>
    public ulong PageBytes;
}
