using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct cmsghdr</c>; the data follow it, and the next header begins at a multiple of 8.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct cmsghdr
{
    internal nuint cmsg_len;
    internal int cmsg_level;
    internal int cmsg_type;
}
