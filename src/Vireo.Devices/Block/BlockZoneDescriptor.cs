using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <summary>One zone of a report (<c>struct virtio_blk_zone_descriptor</c>, VIRTIO 1.4 §5.2.6).</summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal readonly struct BlockZoneDescriptor
{
    /// <summary>Length with its reserved bytes.</summary>
    public const int SizeBytes = 64;

    /// <summary>How many sectors can be written.</summary>
    public readonly Le64 Capacity;

    /// <summary>First sector.</summary>
    public readonly Le64 Start;

    /// <summary>Where the next write goes.</summary>
    public readonly Le64 WritePointer;

    /// <summary>A <see cref="BlockZoneType"/>.</summary>
    public readonly byte Type;

    /// <summary>A <see cref="BlockZoneState"/>.</summary>
    public readonly byte State;

    /// <summary>Makes a descriptor.</summary>
    public BlockZoneDescriptor(in BlockZone zone)
    {
        Capacity = (ulong)zone.CapacitySectors;
        Start = (ulong)zone.StartSector;
        WritePointer = (ulong)zone.WritePointerSector;
        Type = (byte)zone.Type;
        State = (byte)zone.State;
    }
}
