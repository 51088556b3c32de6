using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct ucred</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ucred
{
    internal int pid;
    internal uint uid;
    internal uint gid;
}
