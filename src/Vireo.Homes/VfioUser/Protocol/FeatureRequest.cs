using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What DEVICE_FEATURE begins with, both ways (<c>struct vfio_device_feature</c>); data follows.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FeatureRequest
{
    /// <summary>Which feature, in the flags.</summary>
    public const uint IndexMask = 0xffff;

    /// <summary>Asks for the data.</summary>
    public const uint Get = 1 << 16;

    /// <summary>Sets the data.</summary>
    public const uint Set = 1 << 17;

    /// <summary>Asks whether that could be done.</summary>
    public const uint Probe = 1 << 18;

    /// <summary>The longest answer the client takes; in the answer, its length.</summary>
    public uint ArgumentBytes;

    /// <summary>Which feature, and what to do.</summary>
    public uint Flags;
}
