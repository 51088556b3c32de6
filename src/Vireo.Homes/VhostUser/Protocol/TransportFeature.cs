namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Bits among the virtio features that are between front-end and back-end and unknown to the driver.</summary>
internal static class TransportFeature
{
    /// <summary>Writes to the driver's memory are to be recorded (VHOST_F_LOG_ALL).</summary>
    public const int LogAll = 26;

    /// <summary>There are protocol features (VHOST_USER_F_PROTOCOL_FEATURES).</summary>
    public const int ProtocolFeatures = 30;
}
