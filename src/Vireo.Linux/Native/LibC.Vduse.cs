namespace Vireo.Linux.Native;

/// <summary>linux/vduse.h: devices of the vDPA bus that a process implements.</summary>
[CHeader("linux/vduse.h")]
internal static partial class LibC
{
    private const uint VduseFamily = 0x81;

    internal const int VDUSE_NAME_MAX = 256;
    internal const int VDUSE_EVENTFD_DEASSIGN = -1;
    internal const uint VDUSE_GET_VQ_STATE = 0;
    internal const uint VDUSE_SET_STATUS = 1;
    internal const uint VDUSE_UPDATE_IOTLB = 2;
    internal const uint VDUSE_REQ_RESULT_OK = 0;
    internal const uint VDUSE_REQ_RESULT_FAILED = 1;
    internal const ulong VDUSE_IOVA_CAP_UMEM = 1;

    internal static readonly uint VDUSE_GET_API_VERSION = Ioctl.IoRead<ulong>(VduseFamily, 0x00);
    internal static readonly uint VDUSE_SET_API_VERSION = Ioctl.IoWrite<ulong>(VduseFamily, 0x01);
    internal static readonly uint VDUSE_CREATE_DEV = Ioctl.IoWrite<vduse_dev_config>(VduseFamily, 0x02);
    internal static readonly uint VDUSE_DESTROY_DEV = Ioctl.IoWrite<vduse_name>(VduseFamily, 0x03);
    internal static readonly uint VDUSE_IOTLB_GET_FD = Ioctl.IoReadWrite<vduse_iotlb_entry>(VduseFamily, 0x10);
    internal static readonly uint VDUSE_DEV_GET_FEATURES = Ioctl.IoRead<ulong>(VduseFamily, 0x11);
    internal static readonly uint VDUSE_DEV_SET_CONFIG = Ioctl.IoWrite<vduse_config_data>(VduseFamily, 0x12);
    internal static readonly uint VDUSE_DEV_INJECT_CONFIG_IRQ = Ioctl.Io(VduseFamily, 0x13);
    internal static readonly uint VDUSE_VQ_SETUP = Ioctl.IoWrite<vduse_vq_config>(VduseFamily, 0x14);
    internal static readonly uint VDUSE_VQ_GET_INFO = Ioctl.IoReadWrite<vduse_vq_info>(VduseFamily, 0x15);
    internal static readonly uint VDUSE_VQ_SETUP_KICKFD = Ioctl.IoWrite<vduse_vq_eventfd>(VduseFamily, 0x16);
    internal static readonly uint VDUSE_VQ_INJECT_IRQ = Ioctl.IoWrite<uint>(VduseFamily, 0x17);
    internal static readonly uint VDUSE_IOTLB_REG_UMEM = Ioctl.IoWrite<vduse_iova_umem>(VduseFamily, 0x18);
    internal static readonly uint VDUSE_IOTLB_DEREG_UMEM = Ioctl.IoWrite<vduse_iova_umem>(VduseFamily, 0x19);
    internal static readonly uint VDUSE_IOTLB_GET_INFO = Ioctl.IoReadWrite<vduse_iova_info>(VduseFamily, 0x1a);
}
