using System.Runtime.InteropServices;

namespace Vireo.Core.Contract;

/// <summary>A region of memory that the device owns and the driver maps (VIRTIO 1.4 §2.10).</summary>
/// <param name="Id">The region's id, unique in the device; the device type gives it its meaning.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SharedRegion(byte Id, ulong LengthBytes);
