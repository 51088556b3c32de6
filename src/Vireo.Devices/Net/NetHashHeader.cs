using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>What follows the header of a received packet with HASH_REPORT (the end of <c>struct virtio_net_hdr_v1_hash</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct NetHashHeader(uint value, NetHashReport report)
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 8;

    /// <summary>The hash.</summary>
    public readonly Le32 Value = value;

    /// <summary>A <see cref="NetHashReport"/>.</summary>
    public readonly Le16 Report = (ushort)report;

    /// <summary>Zero.</summary>
    public readonly Le16 Padding = 0;
}
