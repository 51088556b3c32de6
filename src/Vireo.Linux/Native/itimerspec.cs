using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct itimerspec</c>: a zero it_value disarms.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct itimerspec
{
    internal timespec it_interval;
    internal timespec it_value;
}
