namespace Vireo.Linux.Native;

/// <summary>linux/vhost.h: virtqueues that the kernel, or a device on the vDPA bus, runs for a process.</summary>
[CHeader("linux/vhost.h")]
internal static partial class LibC
{
    private const uint VhostFamily = 0xAF;

    internal const int VHOST_VRING_F_LOG = 0;
    internal const int VHOST_SCSI_ABI_VERSION = 1;
    internal const byte VHOST_ACCESS_RO = 1;
    internal const byte VHOST_ACCESS_WO = 2;
    internal const byte VHOST_ACCESS_RW = 3;
    internal const byte VHOST_IOTLB_MISS = 1;
    internal const byte VHOST_IOTLB_UPDATE = 2;
    internal const byte VHOST_IOTLB_INVALIDATE = 3;
    internal const byte VHOST_IOTLB_BATCH_BEGIN = 5;
    internal const byte VHOST_IOTLB_BATCH_END = 6;
    internal const uint VHOST_IOTLB_MSG_V2 = 2;
    internal const int VHOST_BACKEND_F_IOTLB_MSG_V2 = 1;
    internal const int VHOST_BACKEND_F_IOTLB_BATCH = 2;

    internal static readonly uint VHOST_GET_FEATURES = Ioctl.IoRead<ulong>(VhostFamily, 0x00);
    internal static readonly uint VHOST_SET_FEATURES = Ioctl.IoWrite<ulong>(VhostFamily, 0x00);
    internal static readonly uint VHOST_SET_OWNER = Ioctl.Io(VhostFamily, 0x01);
    internal static readonly uint VHOST_SET_MEM_TABLE = Ioctl.IoWrite<vhost_memory>(VhostFamily, 0x03);
    internal static readonly uint VHOST_SET_VRING_NUM = Ioctl.IoWrite<vhost_vring_state>(VhostFamily, 0x10);
    internal static readonly uint VHOST_SET_VRING_ADDR = Ioctl.IoWrite<vhost_vring_addr>(VhostFamily, 0x11);
    internal static readonly uint VHOST_SET_VRING_BASE = Ioctl.IoWrite<vhost_vring_state>(VhostFamily, 0x12);
    internal static readonly uint VHOST_GET_VRING_BASE = Ioctl.IoReadWrite<vhost_vring_state>(VhostFamily, 0x12);
    internal static readonly uint VHOST_SET_VRING_KICK = Ioctl.IoWrite<vhost_vring_file>(VhostFamily, 0x20);
    internal static readonly uint VHOST_SET_VRING_CALL = Ioctl.IoWrite<vhost_vring_file>(VhostFamily, 0x21);
    internal static readonly uint VHOST_SET_BACKEND_FEATURES = Ioctl.IoWrite<ulong>(VhostFamily, 0x25);
    internal static readonly uint VHOST_GET_BACKEND_FEATURES = Ioctl.IoRead<ulong>(VhostFamily, 0x26);
    internal static readonly uint VHOST_NET_SET_BACKEND = Ioctl.IoWrite<vhost_vring_file>(VhostFamily, 0x30);
    internal static readonly uint VHOST_SCSI_SET_ENDPOINT = Ioctl.IoWrite<vhost_scsi_target>(VhostFamily, 0x40);
    internal static readonly uint VHOST_SCSI_CLEAR_ENDPOINT = Ioctl.IoWrite<vhost_scsi_target>(VhostFamily, 0x41);
    internal static readonly uint VHOST_SCSI_GET_ABI_VERSION = Ioctl.IoWrite<int>(VhostFamily, 0x42);
    internal static readonly uint VHOST_VSOCK_SET_GUEST_CID = Ioctl.IoWrite<ulong>(VhostFamily, 0x60);
    internal static readonly uint VHOST_VSOCK_SET_RUNNING = Ioctl.IoWrite<int>(VhostFamily, 0x61);
    internal static readonly uint VHOST_VDPA_GET_DEVICE_ID = Ioctl.IoRead<uint>(VhostFamily, 0x70);
    internal static readonly uint VHOST_VDPA_GET_STATUS = Ioctl.IoRead<byte>(VhostFamily, 0x71);
    internal static readonly uint VHOST_VDPA_SET_STATUS = Ioctl.IoWrite<byte>(VhostFamily, 0x72);
    internal static readonly uint VHOST_VDPA_GET_CONFIG = Ioctl.IoRead<vhost_vdpa_config>(VhostFamily, 0x73);
    internal static readonly uint VHOST_VDPA_SET_CONFIG = Ioctl.IoWrite<vhost_vdpa_config>(VhostFamily, 0x74);
    internal static readonly uint VHOST_VDPA_SET_VRING_ENABLE = Ioctl.IoWrite<vhost_vring_state>(VhostFamily, 0x75);
    internal static readonly uint VHOST_VDPA_GET_VRING_NUM = Ioctl.IoRead<ushort>(VhostFamily, 0x76);
    internal static readonly uint VHOST_VDPA_SET_CONFIG_CALL = Ioctl.IoWrite<int>(VhostFamily, 0x77);
    internal static readonly uint VHOST_VDPA_GET_CONFIG_SIZE = Ioctl.IoRead<uint>(VhostFamily, 0x79);
    internal static readonly uint VHOST_VDPA_GET_VQS_COUNT = Ioctl.IoRead<uint>(VhostFamily, 0x80);
    internal static readonly uint VHOST_GET_FEATURES_ARRAY = Ioctl.IoRead<vhost_features_array>(VhostFamily, 0x83);
    internal static readonly uint VHOST_SET_FEATURES_ARRAY = Ioctl.IoWrite<vhost_features_array>(VhostFamily, 0x83);
}
