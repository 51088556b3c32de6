using System.Runtime.InteropServices;

namespace Vireo.Core.Contract;

/// <summary>What a device says of one of its queues before it runs.</summary>
/// <param name="Name">The specification's name of the queue, such as <c>requestq</c>; for people and logs.</param>
/// <param name="SizeMax">The largest queue size the device takes, in descriptors: a power of two, at most 32768.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct QueueTraits(string Name, ushort SizeMax = QueueTraits.UsualSizeMax)
{
    /// <summary>A size that suits devices without reasons for another.</summary>
    public const ushort UsualSizeMax = 1024;
}
