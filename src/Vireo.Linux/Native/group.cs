using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct group</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct group
{
    internal byte* gr_name;
    internal byte* gr_passwd;
    internal uint gr_gid;
    internal byte** gr_mem;
}
