namespace Vireo.Linux.Files;

/// <summary>What an open descriptor refers to (the type bits of its mode).</summary>
public enum DescriptorKind
{
    /// <summary>No file at all: eventfd, epoll, io_uring, KVM and the like.</summary>
    Anonymous,

    /// <summary>An ordinary file, a memfd or a file of hugetlbfs.</summary>
    RegularFile,

    /// <summary>A block device.</summary>
    BlockDevice,

    /// <summary>A character device.</summary>
    CharacterDevice,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>One end of a pipe or FIFO.</summary>
    Pipe,

    /// <summary>A socket of any family.</summary>
    Socket,

    /// <summary>A symbolic link itself (opened without following it).</summary>
    SymbolicLink,
}
