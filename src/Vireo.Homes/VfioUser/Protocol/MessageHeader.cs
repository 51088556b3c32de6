using System.Runtime.InteropServices;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What every message begins with, in the byte order of the host.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MessageHeader
{
    /// <summary>Chosen by the sender of a command; its answer repeats it.</summary>
    public ushort Id;

    /// <summary>Which command.</summary>
    public Command Command;

    /// <summary>Length of the message in bytes, this header included.</summary>
    public uint SizeBytes;

    /// <summary>Type, and whether an answer is wanted or says that something went wrong.</summary>
    public HeaderFlags Flags;

    /// <summary>In an answer with an error: the errno value.</summary>
    public uint Error;
}
