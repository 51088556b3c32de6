using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vhost_features_array</c>; as many numbers as its count says follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct vhost_features_array
{
    internal ulong count;
}
