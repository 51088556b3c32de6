using System.Runtime.InteropServices;

namespace Vireo.Core.Queues;

/// <summary>A buffer that the device has given back.</summary>
/// <param name="Tag">What the driver called the buffer when it added it.</param>
/// <param name="WrittenBytes">
/// How many bytes from the start of the writable part the device says it wrote; never more than the part has. What lies behind
/// them is unknown (VIRTIO 1.4 §2.7.8).
/// </param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DriverCompletion(ulong Tag, uint WrittenBytes);
