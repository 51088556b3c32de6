using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct genlmsghdr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct genlmsghdr
{
    internal byte cmd;
    internal byte version;
    internal ushort reserved;
}
