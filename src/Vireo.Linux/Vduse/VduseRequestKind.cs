using Vireo.Linux.Native;

namespace Vireo.Linux.Vduse;

/// <summary>What the kernel asks a VDUSE device for (<c>enum vduse_req_type</c>); newer kernels may ask for more.</summary>
public enum VduseRequestKind : uint
{
    /// <summary>Where a queue stands.</summary>
    GetQueueState = LibC.VDUSE_GET_VQ_STATE,

    /// <summary>The driver writes the status field; 0 resets.</summary>
    SetStatus = LibC.VDUSE_SET_STATUS,

    /// <summary>Mappings in a range have changed: what was learnt of them is to be forgotten.</summary>
    UpdateMappings = LibC.VDUSE_UPDATE_IOTLB,
}
