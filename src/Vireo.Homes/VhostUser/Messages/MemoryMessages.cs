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
                MessageForm.Of<SingleMemoryRegion>().With(1, 1),
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

        List<MemorySlot> slots = MapAll(message, (int)count);
        session.ChangeMemory(() => session.Memory.Table.Replace(slots));
    }

    private static List<MemorySlot> MapAll(Message message, int count)
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
                slots.Add(MemorySlot.Map(description, message.TakeDescriptor(index)));
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
        MemoryRegionDescription description = message.Read<SingleMemoryRegion>().Region;
        session.Memory.Table.CheckAdd(description);
        var slot = MemorySlot.Map(description, message.TakeDescriptor(0));
        session.ChangeMemory(() => session.Memory.Table.Add(slot));
    }

    private static void RemoveRegion(VhostUserSession session, Message message)
    {
        MemorySlot slot = session.Memory.Table.Find(message.Read<SingleMemoryRegion>().Region);
        session.ChangeMemory(() => session.Memory.Table.Remove(slot));
    }
}
