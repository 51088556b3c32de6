using System.Runtime.InteropServices;

namespace Vireo.Core.Memory;

/// <summary>The mappings of an IOMMU that a home has been told of, asking for those it lacks.</summary>
/// <remarks>
/// Looked up by all queue loops without a lock, changed by the control thread: each change makes a new table. When a table is
/// full all mappings are dropped, which is right at any time: they are asked for again.
/// </remarks>
public sealed class Iotlb : IAddressTranslator
{
    /// <summary>How many mappings are kept at most: twice what the kernel's vhost keeps.</summary>
    public const int MappingsMax = 4096;

    /// <summary>How many different questions are remembered as asked.</summary>
    private const int AskedMax = 1024;

    /// <summary>Questions about one page are the same question.</summary>
    private const ulong PageMask = ~0xffful;

    private readonly Action<GuestAddress, MemoryAccess> _ask;
    private readonly Lock _changing = new();

    /// <summary>What was asked for and has not come; guarded by _changing.</summary>
    private readonly HashSet<(ulong Page, MemoryAccess Access)> _asked = [];

    /// <summary>The mappings by ascending address, none overlapping; replaced as a whole.</summary>
    private Mapping[] _mappings = [];

    /// <summary>Makes a table without mappings.</summary>
    /// <param name="ask">
    /// Asks for the mapping of an address; called by queue loops, once for each page and access until an answer comes.
    /// </param>
    public Iotlb(Action<GuestAddress, MemoryAccess> ask) => _ask = ask;

    /// <summary>How many mappings there are.</summary>
    // Acquire: the table is complete before it is put in place.
    public int Count => Volatile.Read(ref _mappings).Length;

    /// <inheritdoc/>
    public Translation Translate(
        GuestAddress address,
        MemoryAccess access,
        out GuestAddress target,
        out ulong lengthBytes
    )
    {
        if (TryFind(address.Value, out Mapping mapping) && (mapping.Access & access) == access)
        {
            target = new(mapping.Target + (address.Value - mapping.First));
            // The largest length there is when a mapping covers all addresses: one byte is not missed.
            ulong rest = mapping.Last - address.Value;
            lengthBytes = rest == ulong.MaxValue ? rest : rest + 1;
            return Translation.Done;
        }

        target = default;
        lengthBytes = 0;
        Ask(address, access);
        return Translation.Pending;
    }

    /// <inheritdoc/>
    public MemoryAccess AccessOf(GuestAddress address, out GuestAddress target)
    {
        bool isMapped = TryFind(address.Value, out Mapping mapping);
        target = isMapped ? new(mapping.Target + (address.Value - mapping.First)) : default;
        return mapping.Access;
    }

    /// <summary>Notes a mapping; it replaces what was mapped there.</summary>
    /// <param name="address">The first I/O virtual address.</param>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    /// <param name="target">The guest-physical address of the first byte.</param>
    /// <param name="access">What the device may do there.</param>
    /// <returns>False when the range is empty, or it or its target wraps; nothing is noted then.</returns>
    public bool TryMap(GuestAddress address, ulong lengthBytes, GuestAddress target, MemoryAccess access)
    {
        if (
            lengthBytes == 0
            || lengthBytes - 1 > ulong.MaxValue - address.Value
            || lengthBytes - 1 > ulong.MaxValue - target.Value
        )
        {
            return false;
        }

        Mapping added = new(address.Value, address.Value + (lengthBytes - 1), target.Value, access);
        lock (_changing)
        {
            List<Mapping> mappings = Without(added.First, added.Last);
            if (mappings.Count >= MappingsMax)
            {
                mappings.Clear();
            }

            int index = 0;
            while (index < mappings.Count && mappings[index].First < added.First)
            {
                index++;
            }

            mappings.Insert(index, added);
            _asked.Clear();
            Replace(mappings);
            return true;
        }
    }

    /// <summary>Forgets what is mapped in a range; a mapping that reaches beyond it keeps the rest.</summary>
    /// <param name="address">The first I/O virtual address.</param>
    /// <param name="lengthBytes">Length in bytes; a range that wraps ends at the last address.</param>
    public void Unmap(GuestAddress address, ulong lengthBytes)
    {
        if (lengthBytes == 0)
        {
            return;
        }

        ulong last =
            lengthBytes - 1 > ulong.MaxValue - address.Value ? ulong.MaxValue : address.Value + (lengthBytes - 1);
        lock (_changing)
        {
            Replace(Without(address.Value, last));
        }
    }

    /// <summary>Forgets all mappings, and what was asked for.</summary>
    public void Clear()
    {
        lock (_changing)
        {
            _asked.Clear();
            Replace([]);
        }
    }

    // Release: the table is complete before it is put in place.
    private void Replace(List<Mapping> mappings) => Volatile.Write(ref _mappings, mappings.ToArray());

    /// <summary>Finds the mapping of an address; it is all zeroes where there is none.</summary>
    private bool TryFind(ulong address, out Mapping mapping)
    {
        // Acquire: the table is complete before it is put in place.
        Mapping[] mappings = Volatile.Read(ref _mappings);
        int index = Find(mappings, address);
        bool isMapped = index < mappings.Length && mappings[index].First <= address;
        mapping = isMapped ? mappings[index] : default;
        return isMapped;
    }

    /// <summary>Asks for a mapping, unless that was done since the last one came.</summary>
    private void Ask(GuestAddress address, MemoryAccess access)
    {
        lock (_changing)
        {
            if (_asked.Count >= AskedMax)
            {
                _asked.Clear();
            }

            if (!_asked.Add((address.Value & PageMask, access)))
            {
                return;
            }
        }

        _ask(address, access);
    }

    /// <summary>The mappings less what lies in a range.</summary>
    private List<Mapping> Without(ulong first, ulong last)
    {
        List<Mapping> rest = new(_mappings.Length + 2);
        foreach (Mapping mapping in _mappings)
        {
            if (mapping.Last < first || mapping.First > last)
            {
                rest.Add(mapping);
                continue;
            }

            if (mapping.First < first)
            {
                rest.Add(mapping with { Last = first - 1 });
            }

            if (mapping.Last > last)
            {
                ulong target = mapping.Target + (last + 1 - mapping.First);
                rest.Add(new(last + 1, mapping.Last, target, mapping.Access));
            }
        }

        return rest;
    }

    /// <summary>The index of the first mapping that ends at or behind an address.</summary>
    private static int Find(Mapping[] mappings, ulong address)
    {
        int low = 0;
        int high = mappings.Length;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (mappings[middle].Last < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>One mapping.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Mapping(ulong First, ulong Last, ulong Target, MemoryAccess Access);
}
