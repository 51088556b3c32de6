using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Where a ring lies.</summary>
[CTwin("struct vhost_vring_addr", "linux/vhost_types.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct VringAddress
{
    /// <summary>Bit of <see cref="Flags"/>: writes to the used ring are recorded in the dirty log.</summary>
    public const uint LogUsed = 1;

    /// <summary>Which ring.</summary>
    [CField("index")]
    public uint Index;

    /// <summary>See <see cref="LogUsed"/>.</summary>
    [CField("flags")]
    public uint Flags;

    /// <summary>Address of the descriptor area.</summary>
    [CField("desc_user_addr")]
    public ulong Descriptors;

    /// <summary>Address of the device area.</summary>
    [CField("used_user_addr")]
    public ulong Used;

    /// <summary>Address of the driver area.</summary>
    [CField("avail_user_addr")]
    public ulong Available;

    /// <summary>Guest address under which writes to the used ring are recorded.</summary>
    [CField("log_guest_addr")]
    public ulong LogGuestAddress;
}
