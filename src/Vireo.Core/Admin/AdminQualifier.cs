namespace Vireo.Core.Admin;

/// <summary>What was wrong with a command (VIRTIO 1.4 §2.12.1).</summary>
public enum AdminQualifier : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The command; more is not said.</summary>
    Command = 1,

    /// <summary>The opcode: unknown, or not among those the driver said it uses.</summary>
    Opcode = 2,

    /// <summary>A field of the command's own data.</summary>
    Field = 3,

    /// <summary>The type of group.</summary>
    Group = 4,

    /// <summary>The member of the group.</summary>
    Member = 5,
}
