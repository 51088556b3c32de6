using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser.Messages;

/// <summary>The driver's memory.</summary>
/// <remarks>Queues that run are halted for each change and go on with the new memory.</remarks>
internal static class MemoryMessages
{
    /// <summary>Regions in a table that is set at once; more come one by one.</summary>
    private const int TableRegionsMax = 8;

    private static readonly int HeaderBytes = Wire.SizeOf<MemoryTableHeader>();
    private static readonly int RegionBytes = Wire.SizeOf<MemoryRegionDescription>();
    private static readonly int TableBytesMax = HeaderBytes + TableRegionsMax * RegionBytes;

    /// <summary>The messages of this group.</summary>
    public static MessageKind[] All =>
        [
            new(
                FrontEndRequest.SetMemoryTable,
                "SET_MEM_TABLE",
                new(HeaderBytes, TableBytesMax, 0, TableRegionsMax),
                SetTable
            ),
            new(FrontEndRequest.GetMaxMemorySlots, "GET_MAX_MEM_SLOTS", MessageForm.Empty, GetSlotsMax)
            {
                Feature = ProtocolFeature.ConfigureMemorySlots,
                HasReply = true,
            },
            new(
                FrontEndRequest.AddMemoryRegion,
                "ADD_MEM_REG",
                // The short form, a number without descriptor, exists in post-copy only.
                new(sizeof(ulong), Wire.SizeOf<SingleMemoryRegion>(), 0, 1),
                AddRegion
            )
            {
                Feature = ProtocolFeature.ConfigureMemorySlots,
            },
            // Some front-ends send a descriptor with it, which is closed unused.
            new(
                FrontEndRequest.RemoveMemoryRegion,
                "REM_MEM_REG",
                MessageForm.Of<SingleMemoryRegion>().With(0, 1),
                RemoveRegion
            )
            {
                Feature = ProtocolFeature.ConfigureMemorySlots,
            },
        ];

    private static void SetTable(VhostUserSession session, Message message)
    {
        if (TryArm(session, message))
        {
            return;
        }

        uint count = message.Read<MemoryTableHeader>().Count;
        int bytes = message.Payload.Length;
        bool isWhole =
            count <= TableRegionsMax && (bytes == HeaderBytes + (int)count * RegionBytes || bytes == TableBytesMax);
        if (!isWhole || message.DescriptorCount != (int)count)
        {
            throw new ProtocolException(
                $"a table of {count} regions came with {bytes} bytes and {message.DescriptorCount} descriptors"
            );
        }

        List<MemorySlot> slots = MapAll(session, message, (int)count);
        if (!session.Postcopy.IsListening)
        {
            session.ChangeMemory(() => session.Memory.Table.Replace(slots));
            return;
        }

        session.ExpectMemory(() => session.Memory.Table.Replace(slots));
        Span<byte> reply = stackalloc byte[bytes];
        message.Payload.CopyTo(reply);
        for (int index = 0; index < slots.Count; index++)
        {
            Wire.Write(reply[(HeaderBytes + index * RegionBytes)..], slots[index].DescriptionHere);
        }

        session.Reply(reply);
    }

    /// <summary>In post-copy: the front-end's word that it knows where its memory lies here, and may be told of faults.</summary>
    private static bool TryArm(VhostUserSession session, Message message)
    {
        bool isWord =
            session.Postcopy.IsWaiting && message.Payload.Length == sizeof(ulong) && message.DescriptorCount == 0;
        if (!isWord)
        {
            return false;
        }

        ulong word = message.Read<ulong>();
        if (word != 0)
        {
            throw new ProtocolException($"the front-end cannot take faults in its memory: it says {word}");
        }

        session.ArmMemory();
        return true;
    }

    private static List<MemorySlot> MapAll(VhostUserSession session, Message message, int count)
    {
        ReadOnlySpan<byte> regions = message.Payload[HeaderBytes..];
        List<MemorySlot> slots = [];
        try
        {
            for (int index = 0; index < count; index++)
            {
                MemoryRegionDescription description = Wire.Read<MemoryRegionDescription>(
                    regions[(index * RegionBytes)..]
                );
                slots.Add(MemorySlot.Map(description, message.TakeDescriptor(index), session.Cut));
            }
        }
        catch
        {
            slots.ForEach(static slot => slot.Dispose());
            throw;
        }

        return slots;
    }

    private static void GetSlotsMax(VhostUserSession session, Message message) => session.Reply(MemoryTable.SlotsMax);

    private static void AddRegion(VhostUserSession session, Message message)
    {
        if (TryArm(session, message))
        {
            return;
        }

        if (message.Payload.Length != Wire.SizeOf<SingleMemoryRegion>() || message.DescriptorCount != 1)
        {
            throw new ProtocolException(
                $"{message.Payload.Length} bytes and {message.DescriptorCount} descriptors came, where "
                    + $"{MessageForm.Of<SingleMemoryRegion>().With(1, 1)} were expected"
            );
        }

        MemoryRegionDescription description = message.Read<SingleMemoryRegion>().Region;
        session.Memory.Table.CheckAdd(description);
        var slot = MemorySlot.Map(description, message.TakeDescriptor(0), session.Cut);
        if (!session.Postcopy.IsListening)
        {
            session.ChangeMemory(() => session.Memory.Table.Add(slot));
            return;
        }

        session.ExpectMemory(() => session.Memory.Table.Add(slot));
        SingleMemoryRegion reply = new() { Region = slot.DescriptionHere };
        session.Reply(Wire.Bytes(ref reply));
    }

    private static void RemoveRegion(VhostUserSession session, Message message)
    {
        MemorySlot slot = session.Memory.Table.Find(message.Read<SingleMemoryRegion>().Region);
        session.ChangeMemory(() => session.Memory.Table.Remove(slot));
    }
}
