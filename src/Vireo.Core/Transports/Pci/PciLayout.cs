using System.Numerics;
using Vireo.Core.Contract;

namespace Vireo.Core.Transports.Pci;

/// <summary>Where the structures of a function lie in its base address registers.</summary>
/// <remarks>
/// Each structure begins on a page of its own, so that a client can route or map the notification area by itself:
/// <code>
///   BAR 0   0x0000 common   0x1000 ISR   0x2000 device configuration   0x3000 or later notifications
///   BAR 1   0x0000 MSI-X table, then the pending bits (only with MSI-X)
///   BAR 4   shared memory regions, one after the other (64-bit; only if there are any)
/// </code>
/// </remarks>
internal sealed class PciLayout
{
    public const int StructuresBar = 0;
    public const int VectorsBar = 1;
    public const int SharedBar = 4;

    public const uint CommonOffset = 0;
    public const uint IsrOffset = 0x1000;
    public const uint IsrBytes = 4;
    public const uint DeviceOffset = 0x2000;

    /// <summary>Bytes from one queue's notification register to the next.</summary>
    public const uint NotifyMultiplier = 4;

    private const uint PageBytes = 0x1000;

    private readonly ulong[] _regionOffsets;

    public PciLayout(VirtioDevice device, MsixTable vectors)
    {
        NotifyOffset = DeviceOffset + Math.Max(PageBytes, RoundUp((uint)device.ConfigLengthBytes));
        NotifyBytes = Math.Max(1, (uint)device.Queues.Count) * NotifyMultiplier;
        PendingOffset = RoundUp((uint)vectors.TableBytes);
        Bars = new PciBar[6];
        Bars[StructuresBar] = new(BitOperations.RoundUpToPowerOf2((ulong)NotifyOffset + NotifyBytes), Is64Bit: false);
        if (vectors.VectorCount > 0)
        {
            ulong length = (ulong)PendingOffset + RoundUp((uint)vectors.PendingBytes);
            Bars[VectorsBar] = new(BitOperations.RoundUpToPowerOf2(length), Is64Bit: false);
        }

        _regionOffsets = new ulong[device.SharedRegions.Count];
        LayRegions(device);
    }

    /// <summary>The base address registers, by index.</summary>
    public PciBar[] Bars { get; }

    /// <summary>Where the notification registers begin in BAR 0.</summary>
    public uint NotifyOffset { get; }

    /// <summary>Length of the notification registers in bytes.</summary>
    public uint NotifyBytes { get; }

    /// <summary>Where the pending bits begin in BAR 1.</summary>
    public uint PendingOffset { get; }

    /// <summary>Where a shared region begins in BAR 4.</summary>
    /// <param name="index">Which of the device's shared regions.</param>
    public ulong RegionOffset(int index) => _regionOffsets[index];

    private static uint RoundUp(uint bytes) => (bytes + PageBytes - 1) & ~(PageBytes - 1);

    private void LayRegions(VirtioDevice device)
    {
        ulong end = 0;
        for (int index = 0; index < _regionOffsets.Length; index++)
        {
            _regionOffsets[index] = end;
            end += (device.SharedRegions[index].LengthBytes + PageBytes - 1) / PageBytes * PageBytes;
        }

        if (end > 0)
        {
            Bars[SharedBar] = new(BitOperations.RoundUpToPowerOf2(end), Is64Bit: true);
        }
    }
}
