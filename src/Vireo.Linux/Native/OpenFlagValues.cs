using System.Runtime.InteropServices;
using Vireo.Linux.Files;

namespace Vireo.Linux.Native;

/// <summary>The flags of open that differ between architectures, and the translation of ours.</summary>
internal static class OpenFlagValues
{
    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    internal static readonly int O_DIRECT = IsArm ? 0x10000 : 0x4000;
    internal static readonly int O_DIRECTORY = IsArm ? 0x4000 : 0x10000;
    internal static readonly int O_NOFOLLOW = IsArm ? 0x8000 : 0x20000;

    /// <summary>What openat takes.</summary>
    internal static int Of(OpenFlags flags)
    {
        int value = LibC.O_CLOEXEC | LibC.O_NOCTTY;
        value |= (flags & OpenFlags.ReadWrite) switch
        {
            OpenFlags.ReadWrite => LibC.O_RDWR,
            OpenFlags.Write => LibC.O_WRONLY,
            OpenFlags.Read => LibC.O_RDONLY,
            _ => LibC.O_PATH,
        };
        value |= flags.HasFlag(OpenFlags.Create) ? LibC.O_CREAT : 0;
        value |= flags.HasFlag(OpenFlags.Exclusive) ? LibC.O_EXCL : 0;
        value |= flags.HasFlag(OpenFlags.Truncate) ? LibC.O_TRUNC : 0;
        value |= flags.HasFlag(OpenFlags.Direct) ? O_DIRECT : 0;
        value |= flags.HasFlag(OpenFlags.DataSync) ? LibC.O_DSYNC : 0;
        value |= flags.HasFlag(OpenFlags.NoFollow) ? O_NOFOLLOW : 0;
        value |= flags.HasFlag(OpenFlags.Directory) ? O_DIRECTORY : 0;
        return value | (flags.HasFlag(OpenFlags.NonBlocking) ? LibC.O_NONBLOCK : 0);
    }
}
