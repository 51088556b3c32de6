using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>Guest memory in which a driver keeps its indirect descriptor tables, one for each descriptor of the queue.</summary>
/// <param name="Address">Guest address of the first table, aligned to 16 bytes; stays the queue's until the queue is gone.</param>
/// <param name="DescriptorsPerTable">
/// How many descriptors one table has room for, at least 2. Buffers of more pieces go into the ring directly.
/// </param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct IndirectTables(GuestAddress Address, ushort DescriptorsPerTable)
{
    /// <summary>How many bytes of guest memory the tables of a queue take.</summary>
    /// <param name="queueSize">Queue size in descriptors.</param>
    /// <param name="descriptorsPerTable">How many descriptors one table has room for.</param>
    public static ulong LengthBytes(ushort queueSize, ushort descriptorsPerTable) =>
        16ul * queueSize * descriptorsPerTable;
}
