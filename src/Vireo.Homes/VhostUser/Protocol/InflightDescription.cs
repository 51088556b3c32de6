using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>Where in a file requests in flight are recorded, and for how many queues of which size.</summary>
/// <remarks>Some front-ends send four bytes of padding behind it.</remarks>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct InflightDescription
{
    /// <summary>Padding that C compilers put behind the structure, in bytes.</summary>
    public const int PaddingBytes = 4;

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes;

    /// <summary>Where in the file the record begins, in bytes.</summary>
    public ulong FileOffset;

    /// <summary>How many queues.</summary>
    public ushort QueueCount;

    /// <summary>Size of each queue in descriptors.</summary>
    public ushort QueueSize;
}
