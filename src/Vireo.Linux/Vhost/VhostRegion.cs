using System.Runtime.InteropServices;

namespace Vireo.Linux.Vhost;

/// <summary>A range of a driver's memory as vhost is told of it (<c>struct vhost_memory_region</c>).</summary>
/// <param name="Address">The driver's name for the first byte.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
/// <param name="HostAddress">Where the first byte is mapped in this process, for as long as the device uses it.</param>
/// <param name="IsWritable">Whether the device may write there.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VhostRegion(ulong Address, ulong LengthBytes, nint HostAddress, bool IsWritable);
