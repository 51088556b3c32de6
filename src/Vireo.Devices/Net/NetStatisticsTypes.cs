namespace Vireo.Devices.Net;

/// <summary>Kinds of counters the driver may ask for (VIRTIO_NET_STATS_TYPE, VIRTIO 1.4 §5.1.6.5.11).</summary>
/// <remarks>Those that this device has: it knows no allowance of speed that could be exceeded.</remarks>
[Flags]
internal enum NetStatisticsTypes : ulong
{
    None = 0,
    ReceiveBasic = 1 << 0,
    ReceiveChecksum = 1 << 1,
    ReceiveSegmentation = 1 << 2,
    TransmitBasic = 1 << 16,
    TransmitChecksum = 1 << 17,
    TransmitSegmentation = 1 << 18,
    Control = 1ul << 32,

    /// <summary>All that a receive queue has.</summary>
    Receive = ReceiveBasic | ReceiveChecksum | ReceiveSegmentation,

    /// <summary>All that a transmit queue has.</summary>
    Transmit = TransmitBasic | TransmitChecksum | TransmitSegmentation,
}
