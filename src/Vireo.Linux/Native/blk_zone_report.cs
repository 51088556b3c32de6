using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct blk_zone_report</c>; the zones follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct blk_zone_report
{
    internal ulong sector;
    internal uint nr_zones;
    internal uint flags;
}
