using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct nlmsgerr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nlmsgerr
{
    internal int error;
    internal nlmsghdr msg;
}
