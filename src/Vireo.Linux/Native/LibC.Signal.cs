using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>signal.h.</summary>
[CHeader("signal.h")]
internal static partial class LibC
{
    internal const int SIGBUS = 7;
    internal const int SIGTERM = 15;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int kill(int pid, int sig);

    // SAFETY: the kernel reads and writes the structures passed, whose layout the Abi tests prove.
    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int sigaction(int sig, sigaction_t* act, sigaction_t* oact);
}
