namespace Vireo.Linux.Vhost;

/// <summary>What a vhost device may do with memory, or wants to (<c>VHOST_ACCESS_RO</c>, <c>VHOST_ACCESS_WO</c>).</summary>
[Flags]
public enum VhostAccess : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Read it.</summary>
    Read = 1,

    /// <summary>Write it.</summary>
    Write = 2,

    /// <summary>Read and write it.</summary>
    ReadWrite = Read | Write,
}
