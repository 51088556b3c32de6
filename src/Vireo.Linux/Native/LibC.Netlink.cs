namespace Vireo.Linux.Native;

/// <summary>linux/netlink.h, linux/genetlink.h and linux/vdpa.h.</summary>
[CHeader("sys/socket.h")]
[CHeader("linux/netlink.h")]
[CHeader("linux/genetlink.h")]
[CHeader("linux/vdpa.h")]
internal static partial class LibC
{
    internal const int AF_NETLINK = 16;
    internal const int SOCK_RAW = 3;
    internal const int SOL_NETLINK = 270;
    internal const int NETLINK_GENERIC = 16;
    internal const int NETLINK_EXT_ACK = 11;

    internal const ushort NLM_F_REQUEST = 0x1;
    internal const ushort NLM_F_MULTI = 0x2;
    internal const ushort NLM_F_ACK = 0x4;
    internal const ushort NLM_F_CAPPED = 0x100;
    internal const ushort NLM_F_ACK_TLVS = 0x200;
    internal const ushort NLM_F_DUMP = 0x300;
    internal const ushort NLMSG_ERROR = 2;
    internal const ushort NLMSG_DONE = 3;
    internal const ushort NLMSGERR_ATTR_MSG = 1;
    internal const ushort NLA_F_NESTED = 0x8000;
    internal const ushort NLA_F_NET_BYTEORDER = 0x4000;

    internal const ushort GENL_ID_CTRL = 16;
    internal const byte CTRL_CMD_GETFAMILY = 3;
    internal const ushort CTRL_ATTR_FAMILY_ID = 1;
    internal const ushort CTRL_ATTR_FAMILY_NAME = 2;

    internal const byte VDPA_GENL_VERSION = 1;
    internal const byte VDPA_CMD_MGMTDEV_GET = 2;
    internal const byte VDPA_CMD_DEV_NEW = 3;
    internal const byte VDPA_CMD_DEV_DEL = 4;
    internal const byte VDPA_CMD_DEV_GET = 5;
    internal const byte VDPA_CMD_DEV_CONFIG_GET = 6;
    internal const ushort VDPA_ATTR_MGMTDEV_BUS_NAME = 1;
    internal const ushort VDPA_ATTR_MGMTDEV_DEV_NAME = 2;
    internal const ushort VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES = 3;
    internal const ushort VDPA_ATTR_DEV_NAME = 4;
    internal const ushort VDPA_ATTR_DEV_ID = 5;
    internal const ushort VDPA_ATTR_DEV_VENDOR_ID = 6;
    internal const ushort VDPA_ATTR_DEV_MAX_VQS = 7;
    internal const ushort VDPA_ATTR_DEV_MAX_VQ_SIZE = 8;
    internal const ushort VDPA_ATTR_DEV_MIN_VQ_SIZE = 9;
    internal const ushort VDPA_ATTR_DEV_NEGOTIATED_FEATURES = 14;
    internal const ushort VDPA_ATTR_DEV_MGMTDEV_MAX_VQS = 15;
    internal const ushort VDPA_ATTR_DEV_SUPPORTED_FEATURES = 16;
}
