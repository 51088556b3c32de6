namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The flags of a message header.</summary>
[Flags]
internal enum HeaderFlags : uint
{
    /// <summary>A command.</summary>
    None = 0,

    /// <summary>The message answers a command; the only other value of the type.</summary>
    Reply = 1,

    /// <summary>The four bits of the type.</summary>
    TypeMask = 0xf,

    /// <summary>The sender does not want an answer.</summary>
    NoReply = 0x10,

    /// <summary>The command failed; the header says why.</summary>
    Error = 0x20,
}
