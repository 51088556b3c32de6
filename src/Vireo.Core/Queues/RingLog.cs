using System.Runtime.InteropServices;
using Vireo.Core.Memory;

namespace Vireo.Core.Queues;

/// <summary>Where what the device writes into the ring itself is recorded while the driver's memory is being migrated.</summary>
/// <param name="Log">The bitmap; the caller keeps it mapped while the queue runs.</param>
/// <param name="Descriptors">
/// Where the descriptor area counts as lying in the log; used by packed rings, whose used descriptors are written there.
/// </param>
/// <param name="Device">Where the device area counts as lying in the log (vhost's <c>log_guest_addr</c>).</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct RingLog(DirtyLog Log, GuestAddress Descriptors, GuestAddress Device)
{
    /// <summary>Records writes into the descriptor area.</summary>
    internal void MarkDescriptors(int offset, int lengthBytes) => Mark(Descriptors, offset, lengthBytes);

    /// <summary>Records writes into the device area.</summary>
    internal void MarkDevice(int offset, int lengthBytes) => Mark(Device, offset, lengthBytes);

    private void Mark(GuestAddress area, int offset, int lengthBytes)
    {
        // The address is the peer's: past the end of addresses there is nothing to record.
        if (area.Value <= ulong.MaxValue - (uint)offset)
        {
            Log.Mark(area + (uint)offset, (uint)lengthBytes);
        }
    }
}
