using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>A part of a region, and the descriptor that stands for writes to it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SubRegionIoFd
{
    /// <summary>First byte in the region.</summary>
    public ulong Offset;

    /// <summary>Length in bytes; 0 when writes of any width count.</summary>
    public ulong LengthBytes;

    /// <summary>Which of the descriptors that come with the answer.</summary>
    public uint DescriptorIndex;

    /// <summary>0 for an ioeventfd.</summary>
    public uint Type;

    /// <summary>As in KVM_IOEVENTFD.</summary>
    public uint Flags;

    /// <summary>Zero.</summary>
    public uint Padding;

    /// <summary>Which value counts, if the flags say that one does.</summary>
    public ulong DataMatch;
}
