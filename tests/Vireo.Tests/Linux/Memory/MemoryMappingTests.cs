using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.Memory;

public sealed class MemoryMappingTests
{
    private const int Page = 4096;

    [Fact]
    public void Map_TwoMappingsOfOneFile_SeeEachOther()
    {
        using var file = MemoryFile.Create("memory", Page);
        using var writer = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.ReadWrite);
        using var reader = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.Read);

        writer.GetSpan(100, 1)[0] = 0x5A;

        Assert.Equal(0x5A, reader.GetSpan(100, 1)[0]);
    }

    [Fact]
    public void Map_OffsetInsideAPage_StartsAtTheByteAskedFor()
    {
        using var file = MemoryFile.Create("memory", 3 * Page);
        using var all = MemoryMapping.Map(file.Handle, 0, 3 * Page, MappingAccess.ReadWrite);
        all.GetSpan(Page + 123, 1)[0] = 0x77;

        using var part = MemoryMapping.Map(file.Handle, Page + 123, 5000, MappingAccess.Read);

        Assert.Equal((nuint)5000, part.Length);
        Assert.Equal(123, part.Address % Page);
        Assert.Equal(0x77, part.GetSpan(0, 1)[0]);
        Assert.Equal(0, part.GetSpan(4999, 1)[0]);
    }

    [Theory]
    [InlineData(0, 4097)]
    [InlineData(4096, 1)]
    [InlineData(1, 4096)]
    [InlineData(long.MaxValue - 4096, 4096)]
    public void Map_RangeBehindTheEndOfTheFile_IsRefused(long offset, int length)
    {
        using var file = MemoryFile.Create("memory", Page);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            MemoryMapping.Map(file.Handle, offset, (nuint)length, MappingAccess.Read)
        );

        Assert.Equal(Errno.EINVAL, exception.Error);
    }

    [Fact]
    public void Map_LengthsThatCannotBe_Throw()
    {
        using var file = MemoryFile.Create("memory", Page);

        Assert.Throws<ArgumentOutOfRangeException>(() => MemoryMapping.Map(file.Handle, -1, 1, MappingAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => MemoryMapping.Map(file.Handle, 0, 0, MappingAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            MemoryMapping.Map(file.Handle, 1, nuint.MaxValue, MappingAccess.Read)
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => MemoryMapping.MapAnonymous(nuint.MaxValue));
    }

    [Fact]
    public void Map_CopyOnWrite_LeavesTheFileAlone()
    {
        using var file = MemoryFile.Create("memory", Page);
        using var shared = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.Read);
        using var own = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.ReadWrite, MappingOptions.CopyOnWrite);

        own.GetSpan(0, 1)[0] = 1;

        Assert.Equal(0, shared.GetSpan(0, 1)[0]);
    }

    [Fact]
    public void MapAnonymous_IsZeroAndWritable()
    {
        using var mapping = MemoryMapping.MapAnonymous(10_000, options: MappingOptions.Populate);

        Assert.Equal((nuint)10_000, mapping.Length);
        Assert.False(mapping.GetSpan(0, 10_000).ContainsAnyExcept((byte)0));
        mapping.GetSpan(9_999, 1)[0] = 1;
        Assert.Equal(1, mapping.GetSpan(9_999, 1)[0]);
    }

    [Fact]
    public void MapAnonymous_MoreThanThereIs_Throws()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() => MemoryMapping.MapAnonymous((nuint)1 << 50));

        Assert.Equal(Errno.ENOMEM, exception.Error);
    }

    [Fact]
    public void GetSpan_OutsideTheMapping_Throws()
    {
        using var mapping = MemoryMapping.MapAnonymous(Page);

        Assert.Throws<ArgumentOutOfRangeException>(() => mapping.GetSpan(Page, 1).Clear());
        Assert.Throws<ArgumentOutOfRangeException>(() => mapping.GetSpan(1, Page).Clear());
        Assert.Throws<ArgumentOutOfRangeException>(() => mapping.GetSpan(nuint.MaxValue, 1).Clear());
        Assert.Throws<ArgumentOutOfRangeException>(() => mapping.GetSpan(0, -1).Clear());
    }

    [Fact]
    public void GetSpan_Disposed_Throws()
    {
        var mapping = MemoryMapping.MapAnonymous(Page);
        mapping.Dispose();

        Assert.Throws<ObjectDisposedException>(() => mapping.GetSpan(0, 1).Clear());
    }

    [Fact]
    public void Dispose_UnmapsAllPages()
    {
        using var file = MemoryFile.Create("to be unmapped", 4 * Page);
        var mapping = MemoryMapping.Map(file.Handle, 100, 3 * Page, MappingAccess.Read);
        Assert.Contains("to be unmapped", File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);

        mapping.Dispose();

        Assert.DoesNotContain("to be unmapped", File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    [Fact]
    public void Advise_Drop_ZeroesAnonymousMemory()
    {
        using var mapping = MemoryMapping.MapAnonymous(2 * Page);
        mapping.GetSpan(0, 2 * Page).Fill(1);

        mapping.Advise(Page, Page, MemoryAdvice.Drop);

        Assert.Equal(1, mapping.GetSpan(Page - 1, 1)[0]);
        Assert.Equal(0, mapping.GetSpan(Page, 1)[0]);
    }

    [Fact]
    public void Advise_Remove_PunchesAHoleIntoTheFile()
    {
        using var file = MemoryFile.Create("memory", 2 * Page);
        using var mapping = MemoryMapping.Map(file.Handle, 0, 2 * Page, MappingAccess.ReadWrite);
        mapping.GetSpan(0, 2 * Page).Fill(1);

        mapping.Advise(0, Page, MemoryAdvice.Remove);

        Assert.Equal(0, mapping.GetSpan(0, 1)[0]);
        Assert.Equal(1, mapping.GetSpan(Page, 1)[0]);
    }

    [Fact]
    public void Advise_Unaligned_Throws()
    {
        using var mapping = MemoryMapping.MapAnonymous(Page);

        LinuxException exception = Assert.Throws<LinuxException>(() => mapping.Advise(1, 1, MemoryAdvice.Drop));

        Assert.Equal(Errno.EINVAL, exception.Error);
    }

    [Fact]
    public void Overlay_AndClear_PutAFileIntoReservedSpaceAndTakeItOut()
    {
        using var file = MemoryFile.Create("overlaid pages", Page);
        using var view = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.ReadWrite);
        view.GetSpan(0, 1)[0] = 0x42;
        using var space = MemoryMapping.MapAnonymous(4 * Page, MappingAccess.None, MappingOptions.NoReserve);

        space.Overlay(2 * Page, file.Handle, 0, Page, MappingAccess.Read);
        Assert.Equal(0x42, space.GetSpan(2 * Page, 1)[0]);
        view.Dispose();
        space.Clear(2 * Page, Page);

        Assert.DoesNotContain("overlaid pages", File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100, 0, 4096)]
    [InlineData(0, 100, 4096)]
    [InlineData(0, 0, 100)]
    [InlineData(0, 0, 8192)]
    public void Overlay_PartsOfPagesOrBehindTheFile_IsRefused(int offset, int fileOffset, int length)
    {
        using var file = MemoryFile.Create("memory", Page);
        using var space = MemoryMapping.MapAnonymous(4 * Page);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            space.Overlay((nuint)offset, file.Handle, fileOffset, (nuint)length, MappingAccess.Read)
        );

        Assert.Equal(Errno.EINVAL, exception.Error);
    }
}
