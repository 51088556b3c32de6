using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct vduse_dev_config</c>; the configuration space follows it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct vduse_dev_config
{
    internal fixed byte name[LibC.VDUSE_NAME_MAX];
    internal uint vendor_id;
    internal uint device_id;
    internal ulong features;
    internal uint vq_num;
    internal uint vq_align;

    /// <summary>Zero; newer interfaces keep the number of queue groups and address spaces here.</summary>
    [CField("")]
    internal fixed uint __reserved[13];

    internal uint config_size;
}
