using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <summary>How a <see cref="VhostUserFrontEnd"/> behaves.</summary>
public sealed record VhostUserFrontEndOptions
{
    /// <summary>Requests may take time on a slow disk, and stopping a ring waits for them.</summary>
    private const int UsualReplySeconds = 30;

    /// <summary>The protocol features that the front-end knows how to use.</summary>
    public static FeatureSet KnownProtocolFeatures { get; } =
        FeatureSet.Of(
            ProtocolFeature.MultipleQueues,
            ProtocolFeature.ReplyAck,
            ProtocolFeature.BackEndRequests,
            ProtocolFeature.Config,
            ProtocolFeature.InflightDescriptor,
            ProtocolFeature.ResetDevice,
            ProtocolFeature.ConfigureMemorySlots,
            ProtocolFeature.Status
        );

    /// <summary>How long the back-end has for one answer.</summary>
    public TimeSpan ReplyTimeout { get; init; } = TimeSpan.FromSeconds(UsualReplySeconds);

    /// <summary>The protocol features to use where they are offered; at most <see cref="KnownProtocolFeatures"/>.</summary>
    public FeatureSet ProtocolFeatures { get; init; } = KnownProtocolFeatures;

    /// <summary>
    /// Whether the back-end may send requests of its own, such as that its configuration space has changed. Somebody must then
    /// look after them: a proxy with a loop does.
    /// </summary>
    public bool TakesRequests { get; init; }
}
