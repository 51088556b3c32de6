using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>signal.h.</summary>
[CHeader("signal.h")]
internal static partial class LibC
{
    internal const int SIGTERM = 15;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int kill(int pid, int sig);
}
