using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct nlattr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nlattr
{
    internal ushort nla_len;
    internal ushort nla_type;
}
