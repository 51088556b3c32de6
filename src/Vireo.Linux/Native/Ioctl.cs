namespace Vireo.Linux.Native;

/// <summary>Numbers of ioctl commands (asm-generic/ioctl.h): direction, size of the argument, family, number.</summary>
internal static class Ioctl
{
    private const int NumberBits = 8;
    private const int SizeShift = 16;
    private const int DirectionShift = 30;
    private const uint ArgumentIsWritten = 1;
    private const uint ArgumentIsRead = 2;

    /// <summary><c>_IO</c>: no argument, or one that is not a pointer.</summary>
    internal static uint Io(uint family, uint number) => Compose(0, family, number, 0);

    /// <summary><c>_IOR</c>: the kernel fills the argument.</summary>
    internal static unsafe uint IoRead<T>(uint family, uint number)
        where T : unmanaged => Compose(ArgumentIsRead, family, number, (uint)sizeof(T));

    /// <summary><c>_IOW</c>: the kernel reads the argument.</summary>
    internal static unsafe uint IoWrite<T>(uint family, uint number)
        where T : unmanaged => Compose(ArgumentIsWritten, family, number, (uint)sizeof(T));

    /// <summary><c>_IOWR</c>: both.</summary>
    internal static unsafe uint IoReadWrite<T>(uint family, uint number)
        where T : unmanaged => Compose(ArgumentIsRead | ArgumentIsWritten, family, number, (uint)sizeof(T));

    private static uint Compose(uint direction, uint family, uint number, uint size) =>
        (direction << DirectionShift) | (size << SizeShift) | (family << NumberBits) | number;
}
