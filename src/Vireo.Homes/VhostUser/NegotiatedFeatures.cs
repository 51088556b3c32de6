using Vireo.Core.Spec;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <summary>What a connection offers and what its front-end has chosen: virtio features and protocol features.</summary>
internal sealed class NegotiatedFeatures
{
    /// <summary>Bits that are between the two sides of the socket and that the device never sees.</summary>
    private const ulong TransportBits = 1ul << TransportFeature.LogAll | 1ul << TransportFeature.ProtocolFeatures;

    private readonly ulong _device;

    /// <summary>Nothing is negotiated yet.</summary>
    /// <param name="device">The virtio features of device and rings; the protocol carries the first 64.</param>
    /// <param name="protocol">The protocol features on offer.</param>
    public NegotiatedFeatures(FeatureSet device, ulong protocol)
    {
        _device = device.Low & ~TransportBits;
        OfferedProtocol = protocol;
        if (Offers(ProtocolFeature.LogDescriptor))
        {
            _log = 1ul << TransportFeature.LogAll;
        }
    }

    /// <summary>The bit of the dirty log, if there can be one.</summary>
    private readonly ulong _log;

    /// <summary>What GET_FEATURES answers.</summary>
    public ulong Offered => _device | _log | 1ul << TransportFeature.ProtocolFeatures;

    /// <summary>What GET_PROTOCOL_FEATURES answers.</summary>
    public ulong OfferedProtocol { get; }

    /// <summary>The protocol features the front-end uses.</summary>
    public ulong Protocol { get; private set; }

    /// <summary>What the last SET_FEATURES held; null before the first.</summary>
    public ulong? Accepted { get; private set; }

    /// <summary>The features for the device among those accepted.</summary>
    public FeatureSet AcceptedByDriver => new((Accepted ?? 0) & ~TransportBits);

    /// <summary>Whether writes to the driver's memory are to be recorded.</summary>
    public bool IsLogging => Contains(Accepted ?? 0, TransportFeature.LogAll);

    /// <summary>Whether the front-end takes part in protocol features, so that rings begin disabled.</summary>
    public bool HasProtocolFeatures => Contains(Accepted ?? 0, TransportFeature.ProtocolFeatures);

    /// <summary>Whether a protocol feature is on offer.</summary>
    public bool Offers(int protocolFeature) => Contains(OfferedProtocol, protocolFeature);

    /// <summary>Whether a protocol feature is in use.</summary>
    public bool Has(int protocolFeature) => Contains(Protocol, protocolFeature);

    /// <summary>Takes the front-end's choice of protocol features.</summary>
    /// <exception cref="ProtocolException">It was not offered, or does not hold what it needs.</exception>
    public void NegotiateProtocol(ulong features)
    {
        if ((features & ~OfferedProtocol) != 0)
        {
            throw new ProtocolException(
                $"protocol features {new FeatureSet(features & ~OfferedProtocol)} were accepted but never offered"
            );
        }

        Require(features, ProtocolFeature.InBandNotifications, ProtocolFeature.BackEndRequests);
        Require(features, ProtocolFeature.InBandNotifications, ProtocolFeature.ReplyAck);
        Require(features, ProtocolFeature.GetRingBaseSkipDrain, ProtocolFeature.InflightDescriptor);
        Require(features, ProtocolFeature.GetRingBaseSkipDrain, ProtocolFeature.GetRingBaseInflight);
        Protocol = features;
    }

    /// <summary>Takes note of the virtio features the front-end accepted; they have been checked.</summary>
    public void Accept(ulong features) => Accepted = features;

    /// <summary>Forgets the virtio features, as a reset does.</summary>
    public void ForgetAccepted() => Accepted = null;

    private static bool Contains(ulong features, int bit) => (features >> bit & 1) != 0;

    private static void Require(ulong features, int feature, int needed)
    {
        if (Contains(features, feature) && !Contains(features, needed))
        {
            throw new ProtocolException(
                $"protocol feature {feature} was accepted without feature {needed}, which it needs"
            );
        }
    }
}
