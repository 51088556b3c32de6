namespace Vireo.Linux.Files;

/// <summary>How a file is opened. Always closed on exec, and never a controlling terminal.</summary>
[Flags]
public enum OpenFlags
{
    /// <summary>For nothing but being named (O_PATH), unless a direction is given, too.</summary>
    None = 0,

    /// <summary>For reading.</summary>
    Read = 1,

    /// <summary>For writing.</summary>
    Write = 2,

    /// <summary>For both.</summary>
    ReadWrite = Read | Write,

    /// <summary>Make the file if it does not exist (O_CREAT).</summary>
    Create = 4,

    /// <summary>With Create: fail with EEXIST if it does (O_EXCL). On a block device: fail with EBUSY if it is in use.</summary>
    Exclusive = 8,

    /// <summary>Cut an existing file to nothing (O_TRUNC).</summary>
    Truncate = 16,

    /// <summary>Past the page cache (O_DIRECT); memory, offsets and lengths then have to be aligned.</summary>
    Direct = 32,

    /// <summary>Each write returns with the data on the disk (O_DSYNC).</summary>
    DataSync = 64,

    /// <summary>Fail with ELOOP if the last part of the path is a symbolic link (O_NOFOLLOW).</summary>
    NoFollow = 128,

    /// <summary>Fail with ENOTDIR if it is no directory (O_DIRECTORY).</summary>
    Directory = 256,

    /// <summary>Do not wait, neither in opening nor later (O_NONBLOCK).</summary>
    NonBlocking = 512,
}
