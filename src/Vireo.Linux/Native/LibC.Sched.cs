using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>sched.h.</summary>
[CHeader("sched.h")]
internal static partial class LibC
{
    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int sched_setaffinity(int pid, nuint cpusetsize, void* mask);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int sched_getaffinity(int pid, nuint cpusetsize, void* mask);
}
