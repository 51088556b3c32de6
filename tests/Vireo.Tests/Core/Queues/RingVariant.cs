using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>One way in which a ring can be negotiated.</summary>
public sealed record RingVariant(bool IsPacked, ushort Size, bool HasIndirect, bool HasEventIndex, bool IsInOrder)
{
    /// <summary>Whether the device looks at the ring page by page, as where its pages lie apart.</summary>
    public bool IsPaged { get; init; }

    public FeatureSet Features =>
        FeatureSet
            .Of(CoreFeature.Version1)
            .WithIf(CoreFeature.RingPacked, IsPacked)
            .WithIf(CoreFeature.IndirectDescriptors, HasIndirect)
            .WithIf(CoreFeature.EventIndex, HasEventIndex)
            .WithIf(CoreFeature.InOrder, IsInOrder);

    /// <summary>How many pieces a buffer may have: as many as the queue, indirect or not.</summary>
    public int PiecesMax => Math.Min(Size, (ushort)8);

    public override string ToString() =>
        $"{(IsPacked ? "packed" : "split")} {Size}"
        + (HasIndirect ? " indirect" : "")
        + (HasEventIndex ? " event_idx" : "")
        + (IsInOrder ? " in_order" : "");
}
