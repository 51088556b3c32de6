using System.Runtime.InteropServices;

namespace Vireo.Linux.Vhost;

/// <summary>Where a range that the driver names by I/O virtual addresses lies (<c>struct vhost_iotlb_msg</c>).</summary>
/// <param name="Address">The driver's name for the first byte.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
/// <param name="HostAddress">Where the first byte is mapped in this process, until the translation is forgotten.</param>
/// <param name="Access">What the device may do there.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VhostTranslation(ulong Address, ulong LengthBytes, nint HostAddress, VhostAccess Access);
