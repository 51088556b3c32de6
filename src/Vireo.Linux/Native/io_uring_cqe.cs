using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_uring_cqe</c> without the large form. IoUringCompletion has the same layout.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct io_uring_cqe
{
    internal ulong user_data;
    internal int res;
    internal uint flags;
}
