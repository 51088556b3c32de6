using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Homes.Vhost;

/// <summary>Where a ring stands that no vhost device has.</summary>
/// <remarks>
/// The ring itself says it, and nobody else has to: a predecessor that was killed could not. What it had taken and not used is taken again.
/// </remarks>
internal static class VhostPosition
{
    /// <summary>Where a split ring stands that is drained: what is used was all that was taken.</summary>
    public static QueueState OfDrainedSplit(GuestMemory memory, in QueueAreas areas)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        GuestAddress index = new(areas.Device.Value + SplitRing.IndexOffset);
        ushort used = memory.TryRead(index, bytes) ? Wire.Read<Le16>(bytes) : (ushort)0;
        return new(used, used);
    }
}
