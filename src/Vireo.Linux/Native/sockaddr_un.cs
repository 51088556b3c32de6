using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct sockaddr_un</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct sockaddr_un
{
    internal ushort sun_family;
    internal fixed byte sun_path[108];
}
