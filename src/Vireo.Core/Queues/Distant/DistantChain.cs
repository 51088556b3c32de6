using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues.Distant;

/// <summary>The buffers of one chain in distant memory: what to fetch before it is taken, and what to give back when it is used.</summary>
/// <param name="id">The number that names it in the used ring: its head, or its buffer id.</param>
/// <param name="position">Where in the ring its first descriptor stands; packed rings only.</param>
internal sealed class DistantChain(ushort id, int position)
{
    /// <summary>More than any table that a device takes.</summary>
    private const uint TableBytesMax = 16 * GuestMemory.SegmentsMax;

    /// <summary>The number that names it in the used ring.</summary>
    public ushort Id { get; set; } = id;

    /// <summary>Where in the ring its first descriptor stands.</summary>
    public int Position { get; } = position;

    /// <summary>How many descriptors of the ring it takes.</summary>
    public int Descriptors { get; set; }

    /// <summary>What the device reads.</summary>
    public List<GuestRange> Readable { get; } = [];

    /// <summary>What the device writes.</summary>
    public List<GuestRange> Writable { get; } = [];

    /// <summary>Its table of indirect descriptors; without bytes when it has none.</summary>
    public GuestRange Table { get; private set; }

    /// <summary>Takes a descriptor of the ring.</summary>
    public void Take(ulong address, uint lengthBytes, ushort flags)
    {
        if ((flags & DescriptorFlags.Indirect) == 0)
        {
            TakeBuffer(address, lengthBytes, flags);
        }
        else if (lengthBytes <= TableBytesMax)
        {
            // A longer one, or a second, is a fault that the device finds in the ring.
            Table = new(new(address), lengthBytes);
        }
    }

    /// <summary>Takes the buffers of the table of a split ring, which has been fetched.</summary>
    public void TakeSplitTable(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<SplitDescriptor> table = MemoryMarshal.Cast<byte, SplitDescriptor>(bytes);
        int index = 0;
        for (int count = 0; count < table.Length && index < table.Length; count++)
        {
            SplitDescriptor descriptor = table[index];
            TakeBuffer(descriptor.Address, descriptor.Length, descriptor.Flags);
            if ((descriptor.Flags & DescriptorFlags.Next) == 0)
            {
                return;
            }

            index = descriptor.Next;
        }
    }

    /// <summary>Takes the buffers of the table of a packed ring, which has been fetched.</summary>
    public void TakePackedTable(ReadOnlySpan<byte> bytes)
    {
        foreach (PackedDescriptor descriptor in MemoryMarshal.Cast<byte, PackedDescriptor>(bytes))
        {
            TakeBuffer(descriptor.Address, descriptor.Length, descriptor.Flags);
        }
    }

    private void TakeBuffer(ulong address, uint lengthBytes, ushort flags)
    {
        if (lengthBytes > 0)
        {
            ((flags & DescriptorFlags.Write) != 0 ? Writable : Readable).Add(new(new(address), lengthBytes));
        }
    }
}
