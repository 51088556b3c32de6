using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>A translation of I/O addresses, or the lack of one.</summary>
[CTwin("struct vhost_iotlb_msg", "linux/vhost_types.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct IotlbMessage
{
    /// <summary>First I/O virtual address.</summary>
    [CField("iova")]
    public ulong Address;

    /// <summary>Length in bytes.</summary>
    [CField("size")]
    public ulong LengthBytes;

    /// <summary>Address in the front-end that it stands for.</summary>
    [CField("uaddr")]
    public ulong UserAddress;

    /// <summary>What is allowed or wanted: bit 0 reading, bit 1 writing.</summary>
    [CField("perm")]
    public byte Permissions;

    /// <summary>What the message says.</summary>
    [CField("type")]
    public IotlbMessageType Type;
}
