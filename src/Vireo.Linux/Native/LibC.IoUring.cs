using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Native;

/// <summary>linux/io_uring.h and its three system calls, which the C library does not wrap.</summary>
[CHeader("linux/io_uring.h")]
[CHeader("sys/syscall.h")]
internal static partial class LibC
{
    internal const int SYS_io_uring_setup = 425;
    internal const int SYS_io_uring_enter = 426;
    internal const int SYS_io_uring_register = 427;

    internal const uint IORING_SETUP_IOPOLL = 1 << 0;
    internal const uint IORING_SETUP_SQPOLL = 1 << 1;
    internal const uint IORING_SETUP_CQSIZE = 1 << 3;
    internal const uint IORING_SETUP_CLAMP = 1 << 4;
    internal const uint IORING_SETUP_R_DISABLED = 1 << 6;
    internal const uint IORING_SETUP_COOP_TASKRUN = 1 << 8;
    internal const uint IORING_SETUP_TASKRUN_FLAG = 1 << 9;
    internal const uint IORING_SETUP_SINGLE_ISSUER = 1 << 12;
    internal const uint IORING_SETUP_DEFER_TASKRUN = 1 << 13;

    internal const uint IORING_FEAT_SINGLE_MMAP = 1 << 0;
    internal const uint IORING_FEAT_NODROP = 1 << 1;
    internal const uint IORING_FEAT_SUBMIT_STABLE = 1 << 2;
    internal const uint IORING_FEAT_EXT_ARG = 1 << 8;

    internal const byte IORING_OP_NOP = 0;
    internal const byte IORING_OP_READV = 1;
    internal const byte IORING_OP_WRITEV = 2;
    internal const byte IORING_OP_FSYNC = 3;
    internal const byte IORING_OP_READ_FIXED = 4;
    internal const byte IORING_OP_WRITE_FIXED = 5;
    internal const byte IORING_OP_POLL_ADD = 6;
    internal const byte IORING_OP_ASYNC_CANCEL = 14;
    internal const byte IORING_OP_FALLOCATE = 17;
    internal const byte IORING_OP_READ = 22;
    internal const byte IORING_OP_WRITE = 23;

    internal const byte IOSQE_FIXED_FILE = 1 << 0;
    internal const uint IORING_FSYNC_DATASYNC = 1 << 0;
    internal const uint IORING_ASYNC_CANCEL_ALL = 1 << 0;
    internal const uint IORING_ASYNC_CANCEL_ANY = 1 << 2;

    internal const long IORING_OFF_SQ_RING = 0;
    internal const long IORING_OFF_SQES = 0x10000000;

    internal const uint IORING_SQ_NEED_WAKEUP = 1 << 0;
    internal const uint IORING_SQ_CQ_OVERFLOW = 1 << 1;
    internal const uint IORING_SQ_TASKRUN = 1 << 2;

    internal const uint IORING_CQ_EVENTFD_DISABLED = 1 << 0;

    internal const uint IORING_ENTER_GETEVENTS = 1 << 0;
    internal const uint IORING_ENTER_SQ_WAKEUP = 1 << 1;
    internal const uint IORING_ENTER_SQ_WAIT = 1 << 2;
    internal const uint IORING_ENTER_EXT_ARG = 1 << 3;

    internal const uint IORING_REGISTER_BUFFERS = 0;
    internal const uint IORING_UNREGISTER_BUFFERS = 1;
    internal const uint IORING_REGISTER_FILES = 2;
    internal const uint IORING_REGISTER_EVENTFD = 4;
    internal const uint IORING_REGISTER_FILES_UPDATE = 6;
    internal const uint IORING_REGISTER_PROBE = 8;
    internal const uint IORING_REGISTER_ENABLE_RINGS = 12;

    internal const ushort IO_URING_OP_SUPPORTED = 1 << 0;

    internal static unsafe SafeFileHandle io_uring_setup(uint entries, io_uring_params* p) =>
        syscall_io_uring_setup(SYS_io_uring_setup, entries, p);

    internal static unsafe int io_uring_enter(
        SafeFileHandle fd,
        uint to_submit,
        uint min_complete,
        uint flags,
        void* arg,
        nuint argsz
    ) => (int)syscall_io_uring_enter(SYS_io_uring_enter, fd, to_submit, min_complete, flags, arg, argsz);

    internal static unsafe int io_uring_register(SafeFileHandle fd, uint opcode, void* arg, uint nr_args) =>
        (int)syscall_io_uring_register(SYS_io_uring_register, fd, opcode, arg, nr_args);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "syscall")]
    private static unsafe partial SafeFileHandle syscall_io_uring_setup(nint number, nuint entries, io_uring_params* p);

    [LibraryImport(Library, SetLastError = true, EntryPoint = "syscall")]
    private static unsafe partial nint syscall_io_uring_enter(
        nint number,
        SafeFileHandle fd,
        nuint to_submit,
        nuint min_complete,
        nuint flags,
        void* arg,
        nuint argsz
    );

    [LibraryImport(Library, SetLastError = true, EntryPoint = "syscall")]
    private static unsafe partial nint syscall_io_uring_register(
        nint number,
        SafeFileHandle fd,
        nuint opcode,
        void* arg,
        nuint nr_args
    );
}
