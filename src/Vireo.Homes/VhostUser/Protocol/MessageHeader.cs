using System.Runtime.InteropServices;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>What every message begins with, in the byte order of the host.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MessageHeader
{
    /// <summary>Which message: a <see cref="FrontEndRequest"/> or a <see cref="BackEndRequest"/>.</summary>
    public uint Request;

    /// <summary>Version, direction and whether an answer is wanted.</summary>
    public MessageFlags Flags;

    /// <summary>Length of the payload that follows, in bytes.</summary>
    public uint PayloadBytes;
}
