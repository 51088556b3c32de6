using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>sys/ioctl.h, and linux/fs.h with the commands of block devices.</summary>
[CHeader("sys/ioctl.h")]
[CHeader("linux/fs.h")]
internal static partial class LibC
{
    private const uint BlockFamily = 0x12;

    internal static readonly uint BLKROGET = Ioctl.Io(BlockFamily, 94);
    internal static readonly uint BLKSSZGET = Ioctl.Io(BlockFamily, 104);
    internal static readonly uint BLKGETSIZE64 = Ioctl.IoRead<nuint>(BlockFamily, 114);
    internal static readonly uint BLKDISCARD = Ioctl.Io(BlockFamily, 119);
    internal static readonly uint BLKIOMIN = Ioctl.Io(BlockFamily, 120);
    internal static readonly uint BLKIOOPT = Ioctl.Io(BlockFamily, 121);
    internal static readonly uint BLKALIGNOFF = Ioctl.Io(BlockFamily, 122);
    internal static readonly uint BLKPBSZGET = Ioctl.Io(BlockFamily, 123);
    internal static readonly uint BLKSECDISCARD = Ioctl.Io(BlockFamily, 125);
    internal static readonly uint BLKZEROOUT = Ioctl.Io(BlockFamily, 127);

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial int ioctl(SafeFileHandle fd, nuint request, void* argp);

    /// <summary>For the few commands that answer with a new descriptor.</summary>
    [LibraryImport(Library, SetLastError = true, EntryPoint = "ioctl")]
    internal static unsafe partial SafeFileHandle ioctl_descriptor(SafeFileHandle fd, nuint request, void* argp);
}
