using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct io_cqring_offsets</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct io_cqring_offsets
{
    internal uint head;
    internal uint tail;
    internal uint ring_mask;
    internal uint ring_entries;
    internal uint overflow;
    internal uint cqes;
    internal uint flags;
    internal uint resv1;

    // Later headers name this user_addr.
    [CField("")]
    internal ulong resv2;
}
