using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct blk_zone_range</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct blk_zone_range
{
    internal ulong sector;
    internal ulong nr_sectors;
}
