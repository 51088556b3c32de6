using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;

namespace Vireo.Linux.Net;

/// <summary>A descriptor through which whole Ethernet frames go, each behind a header that says what is yet to be done to it.</summary>
/// <remarks>
/// The header is that of VIRTIO (<c>struct virtio_net_hdr</c>), little-endian. What serves frames returns what the system call returned,
/// or a negated <see cref="Errno"/>. Reading and writing may go on on two threads at once.
/// </remarks>
public interface IFrameDescriptor : IDisposable
{
    /// <summary>The descriptor, non-blocking. It stays this object's.</summary>
    SafeFileHandle Handle { get; }

    /// <summary>Takes a frame that has come.</summary>
    /// <param name="destination">Header and frame; one that is longer is cut off.</param>
    /// <returns>Bytes, or a negated <see cref="Errno"/>: EAGAIN when there is none.</returns>
    int Read(Span<byte> destination);

    /// <summary>Sends a frame.</summary>
    /// <param name="frame">Header and frame, 1 to <see cref="TapDevice.VectorsMax"/> pieces.</param>
    /// <returns>Bytes, or a negated <see cref="Errno"/>.</returns>
    int Write(ReadOnlySpan<IoVector> frame);
}
