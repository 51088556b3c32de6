using Vireo.Linux;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.Memory;

public sealed class MemoryFileTests
{
    [Fact]
    public void Create_HasTheSizeAskedFor()
    {
        using var file = MemoryFile.Create("memory", 12_345);

        Assert.Equal(12_345, file.Size);
        Assert.Equal(12_345, FileStatus.Of(file.Handle).SizeBytes);
        Assert.Equal(DescriptorKind.RegularFile, FileStatus.Of(file.Handle).Kind);
    }

    [Fact]
    public void Resize_ChangesTheSize()
    {
        using var file = MemoryFile.Create("memory", 4096);

        file.Resize(8192);

        Assert.Equal(8192, file.Size);
        Assert.Equal(8192, FileStatus.Of(file.Handle).SizeBytes);
    }

    [Fact]
    public void Seal_AgainstShrinking_RefusesToShrinkAndStillGrows()
    {
        using var file = MemoryFile.Create("memory", 8192);

        file.Seal(MemorySeals.Shrink);
        LinuxException exception = Assert.Throws<LinuxException>(() => file.Resize(4096));
        file.Resize(16384);

        Assert.Equal(Errno.EPERM, exception.Error);
        Assert.Equal(MemorySeals.Shrink, file.Seals);
        Assert.Equal(16384, file.Size);
    }

    [Fact]
    public void Seal_WriteWhileMappedWritable_Throws()
    {
        using var file = MemoryFile.Create("memory", 4096);
        using var mapping = MemoryMapping.Map(file.Handle, 0, 4096, MappingAccess.ReadWrite);

        LinuxException exception = Assert.Throws<LinuxException>(() => file.Seal(MemorySeals.Write));

        Assert.Equal(Errno.EBUSY, exception.Error);
    }

    [Fact]
    public void Create_NameTooLong_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() => MemoryFile.Create(new string('x', 250), 0));

        Assert.Equal(Errno.EINVAL, exception.Error);
    }

    [Fact]
    public void PageSizeOf_OrdinaryFile_IsTheSystems()
    {
        using var file = MemoryFile.Create("memory", 0);

        Assert.Equal(Environment.SystemPageSize, MemoryFile.PageSizeOf(file.Handle));
    }

    [Fact]
    public void PageSizeOf_HugePages_IsTheirs()
    {
        // A file without a mapping needs no huge page to be there.
        using var file = MemoryFile.Create("huge", 4 << 20, HugePageSize.TwoMebibytes);

        Assert.Equal(2 << 20, MemoryFile.PageSizeOf(file.Handle));
    }

    [Fact]
    public void Create_HugePagesAndOddSize_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() =>
            MemoryFile.Create("huge", 12_345, HugePageSize.TwoMebibytes)
        );

        Assert.Equal(Errno.EINVAL, exception.Error);
    }
}
