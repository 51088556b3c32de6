using System.Runtime.InteropServices;

namespace Vireo.Core.Queues;

/// <summary>
/// Memory outside this process's life in which a queue records what it holds, so that a new process can go on after a crash:
/// one queue's part of the in-flight buffer of vhost-user, version 1.
/// </summary>
/// <remarks>
/// All zero when new. The other side of the socket keeps it and may write to it at any time, so it is trusted no more than a ring.
/// </remarks>
/// <param name="Address">
/// Host address, aligned to 8 bytes. The caller vouches that the region stays mapped and writable while the queue runs.
/// </param>
/// <param name="LengthBytes">Length in bytes, at least <see cref="RequiredBytes"/>.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct InflightRegion(nint Address, ulong LengthBytes)
{
    /// <summary>What the regions of queues that lie behind one another are rounded up to, in bytes.</summary>
    public const int Alignment = 64;

    /// <summary>How many bytes the region of one queue takes, rounded up to <see cref="Alignment"/>.</summary>
    /// <param name="queueSize">Queue size in descriptors.</param>
    /// <param name="isPacked">Whether the ring is packed.</param>
    public static int RequiredBytes(ushort queueSize, bool isPacked)
    {
        int bytes = isPacked ? PackedInflightLog.Bytes(queueSize) : SplitInflightLog.Bytes(queueSize);
        return (bytes + Alignment - 1) / Alignment * Alignment;
    }
}
