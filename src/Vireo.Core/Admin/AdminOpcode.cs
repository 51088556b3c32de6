namespace Vireo.Core.Admin;

/// <summary>The commands of an administration virtqueue (VIRTIO 1.4 §2.12.1).</summary>
public enum AdminOpcode : ushort
{
    /// <summary>VIRTIO_ADMIN_CMD_LIST_QUERY: which commands there are.</summary>
    ListQuery = 0,

    /// <summary>VIRTIO_ADMIN_CMD_LIST_USE: which commands the driver uses.</summary>
    ListUse = 1,

    /// <summary>VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY: which capabilities the device has.</summary>
    CapabilityListQuery = 7,

    /// <summary>VIRTIO_ADMIN_CMD_DEVICE_CAP_GET: what a capability of the device is.</summary>
    DeviceCapabilityGet = 8,

    /// <summary>VIRTIO_ADMIN_CMD_DRIVER_CAP_SET: how much of it the driver uses.</summary>
    DriverCapabilitySet = 9,

    /// <summary>VIRTIO_ADMIN_CMD_RESOURCE_OBJ_CREATE.</summary>
    ObjectCreate = 0xa,

    /// <summary>VIRTIO_ADMIN_CMD_RESOURCE_OBJ_MODIFY, by the text of the command; the table of opcodes has it and the next exchanged.</summary>
    ObjectModify = 0xb,

    /// <summary>VIRTIO_ADMIN_CMD_RESOURCE_OBJ_QUERY.</summary>
    ObjectQuery = 0xc,

    /// <summary>VIRTIO_ADMIN_CMD_RESOURCE_OBJ_DESTROY.</summary>
    ObjectDestroy = 0xd,

    /// <summary>VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_GET: how many parts there are, and which.</summary>
    PartsMetadataGet = 0xe,

    /// <summary>VIRTIO_ADMIN_CMD_DEV_PARTS_GET: some parts, or all.</summary>
    PartsGet = 0xf,

    /// <summary>VIRTIO_ADMIN_CMD_DEV_PARTS_SET.</summary>
    PartsSet = 0x10,

    /// <summary>VIRTIO_ADMIN_CMD_DEV_MODE_SET: the device stops, or goes on.</summary>
    ModeSet = 0x11,
}
