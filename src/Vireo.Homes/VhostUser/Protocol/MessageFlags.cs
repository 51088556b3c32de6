namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>The flags of a message header.</summary>
[Flags]
internal enum MessageFlags : uint
{
    /// <summary>No flag.</summary>
    None = 0,

    /// <summary>The version of the protocol, the only one there is.</summary>
    Version = 1,

    /// <summary>The two bits of the version.</summary>
    VersionMask = 3,

    /// <summary>The message answers another.</summary>
    Reply = 4,

    /// <summary>The sender waits for an answer.</summary>
    NeedReply = 8,
}
