using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues;

/// <summary>The indirect tables of a driver's queue in this process.</summary>
/// <typeparam name="TDescriptor">The descriptors of the layout, of 16 bytes.</typeparam>
internal sealed unsafe class DriverTables<TDescriptor>
    where TDescriptor : unmanaged
{
    private readonly TDescriptor* _tables;
    private readonly GuestAddress _address;

    /// <summary>Finds the tables.</summary>
    /// <param name="memory">The memory they lie in; outlives the queue.</param>
    /// <param name="tables">Where they lie.</param>
    /// <param name="size">Queue size: there is one table for each descriptor.</param>
    /// <exception cref="RingException">They do not lie in one aligned piece of memory.</exception>
    // SAFETY: Locate checks the whole range of all tables; Of hands out only what lies in it.
    public DriverTables(GuestMemory memory, IndirectTables tables, ushort size)
    {
        // No chain may be longer than the queue, indirect or not (VIRTIO 1.4 §2.7.5.3.1).
        Length = Math.Min(tables.DescriptorsPerTable, size);
        ulong bytes = IndirectTables.LengthBytes(size, (ushort)Length);
        if (bytes == 0 || bytes > int.MaxValue)
        {
            throw new RingException($"indirect tables of {bytes} bytes: choose fewer descriptors for each table");
        }

        RingArea area = new(
            "indirect tables",
            tables.Address,
            (int)bytes,
            SplitRing.DescriptorAlignment,
            MemoryAccess.ReadWrite
        );
        _tables = (TDescriptor*)RingLocator.Locate(memory, in area).Address;
        _address = tables.Address;
        Count = size;
    }

    /// <summary>How many descriptors a table has.</summary>
    public int Length { get; }

    /// <summary>How many tables there are.</summary>
    public int Count { get; }

    /// <summary>One of the tables.</summary>
    /// <param name="index">Which, below <see cref="Count"/>.</param>
    /// <param name="address">Its guest address.</param>
    public Span<TDescriptor> Of(int index, out GuestAddress address)
    {
        Invariant.That((uint)index < (uint)Count);
        address = _address + (uint)(index * Length * sizeof(TDescriptor));
        return new(_tables + index * Length, Length);
    }
}
