using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>How every request begins (the first fields of <c>struct virtio_blk_req</c>, VIRTIO 1.4 §5.2.6).</summary>
[CTwin("struct virtio_blk_outhdr", "linux/virtio_blk.h")]
[StructLayout(LayoutKind.Sequential)]
internal readonly struct BlockRequestHeader
{
    /// <summary>A <see cref="BlockRequestType"/>.</summary>
    [CField("type")]
    public readonly Le32 Type;

    /// <summary>Once a priority; ignored.</summary>
    [CField("ioprio")]
    public readonly Le32 Reserved;

    /// <summary>First sector of 512 bytes.</summary>
    [CField("sector")]
    public readonly Le64 Sector;

    /// <summary>Makes a header, for drivers.</summary>
    public BlockRequestHeader(BlockRequestType type, ulong sector)
    {
        Type = (uint)type;
        Reserved = 0;
        Sector = sector;
    }
}
