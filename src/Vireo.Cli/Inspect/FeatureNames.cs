namespace Vireo.Cli.Inspect;

/// <summary>Names of feature bits that do not depend on the device type.</summary>
internal static class FeatureNames
{
    /// <summary>The highest bit plus one of the first range that belongs to the device type (VIRTIO 1.4 §2.2).</summary>
    private const int FirstDeviceRangeEnd = 24;

    private const int SecondDeviceRangeStart = 50;
    private const int SecondDeviceRangeEnd = 128;

    private static readonly Dictionary<int, string> Rings = new()
    {
        [24] = "NOTIFY_ON_EMPTY",
        [27] = "ANY_LAYOUT",
        [28] = "INDIRECT_DESC",
        [29] = "EVENT_IDX",
        [32] = "VERSION_1",
        [33] = "ACCESS_PLATFORM",
        [34] = "RING_PACKED",
        [35] = "IN_ORDER",
        [36] = "ORDER_PLATFORM",
        [37] = "SR_IOV",
        [38] = "NOTIFICATION_DATA",
        [39] = "NOTIF_CONFIG_DATA",
        [40] = "RING_RESET",
        [41] = "ADMIN_VQ",
        [43] = "SUSPEND",
    };

    /// <summary>By their numbers in the vhost-user text.</summary>
    private static readonly string[] Protocol =
    [
        "MQ",
        "LOG_SHMFD",
        "RARP",
        "REPLY_ACK",
        "MTU",
        "BACKEND_REQ",
        "CROSS_ENDIAN",
        "CRYPTO_SESSION",
        "PAGEFAULT",
        "CONFIG",
        "BACKEND_SEND_FD",
        "HOST_NOTIFIER",
        "INFLIGHT_SHMFD",
        "RESET_DEVICE",
        "INBAND_NOTIFICATIONS",
        "CONFIGURE_MEM_SLOTS",
        "STATUS",
        "XEN_MMAP",
        "SHARED_OBJECT",
        "DEVICE_STATE",
        "GET_VRING_BASE_INFLIGHT",
        "GPA_ADDRESSES",
        "SHMEM",
        "GET_VRING_BASE_SKIP_DRAIN",
    ];

    /// <summary>Whether a bit's meaning depends on the device type.</summary>
    public static bool IsOfDevice(int bit) =>
        bit is (>= 0 and < FirstDeviceRangeEnd) or (>= SecondDeviceRangeStart and < SecondDeviceRangeEnd);

    /// <summary>The name of a virtio feature.</summary>
    /// <param name="bit">Its number.</param>
    /// <param name="device">The device type; null when it is not known.</param>
    /// <returns>Null when nobody has given the bit a meaning, or the type is not known.</returns>
    public static string? OfVirtio(int bit, DeviceDescription? device)
    {
        // Bit 41 and 42 were the legacy network device's before the first of them became everybody's.
        IReadOnlyDictionary<int, string>? names = IsOfDevice(bit) ? device?.Features : Rings;
        return names is not null && names.TryGetValue(bit, out string? name) ? name : null;
    }

    /// <summary>The name of a vhost-user protocol feature; null when the text has none.</summary>
    public static string? OfProtocol(int bit) => bit < Protocol.Length ? Protocol[bit] : null;
}
