using Microsoft.Win32.SafeHandles;
using Vireo.Linux;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Linux.Files;

public sealed class HostFileTests : IDisposable
{
    private const int Page = 4096;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Open_NoSuchFile_ThrowsWithThePath()
    {
        LinuxException exception = Assert.Throws<LinuxException>(() =>
            HostFile.Open(_folder["nothing"], OpenFlags.Read)
        );

        Assert.Equal(Errno.ENOENT, exception.Error);
        Assert.Equal($"openat '{_folder["nothing"]}': no such file or directory (ENOENT)", exception.Message);
    }

    [Fact]
    public void Open_CreateExclusive_MakesTheFileOnce()
    {
        const OpenFlags Flags = OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive;
        using SafeFileHandle file = HostFile.Open(_folder["file"], Flags, mode: 0x180);

        LinuxException exception = Assert.Throws<LinuxException>(() => HostFile.Open(_folder["file"], Flags));

        Assert.Equal(Errno.EEXIST, exception.Error);
        Assert.Equal(0x180, FileStatus.Of(file).Permissions);
        Assert.Equal(0, HostFile.SizeOf(file));
    }

    [Fact]
    public void Open_SymbolicLinkNotToBeFollowed_Throws()
    {
        File.CreateSymbolicLink(_folder["link"], _folder.Path);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            HostFile.Open(_folder["link"], OpenFlags.Read | OpenFlags.NoFollow)
        );

        Assert.Equal(Errno.ELOOP, exception.Error);
        Assert.Equal(DescriptorKind.SymbolicLink, FileStatus.TryGet(_folder["link"], followLink: false)?.Kind);
        Assert.Equal(DescriptorKind.Directory, FileStatus.TryGet(_folder["link"])?.Kind);
    }

    [Fact]
    public void Open_FileAsDirectory_Throws()
    {
        using SafeFileHandle file = Create();

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            HostFile.Open(_folder["file"], OpenFlags.Read | OpenFlags.Directory)
        );

        Assert.Equal(Errno.ENOTDIR, exception.Error);
    }

    [Fact]
    public void WriteAndRead_Vectors_CarryBytesInOrder()
    {
        using SafeFileHandle file = Create();
        using var memory = MemoryMapping.MapAnonymous(Page);
        memory.GetSpan(0, 10).Fill(1);
        memory.GetSpan(100, 20).Fill(2);
        IoVector first = new(memory.Address, 10);
        IoVector second = new(memory.Address + 100, 20);
        byte[] content = new byte[64];

        Assert.Equal(30, HostFile.Write(file, 5, [first, second], ReadWriteFlags.DataSync));
        Assert.Equal(35, HostFile.Read(file, 0, content));
        Assert.Equal(30, HostFile.Read(file, 5, [second, first]));

        Assert.Equal([0, 0, 0, 0, 0, 1], content[..6]);
        Assert.Equal([1, 2], content[14..16]);
        Assert.Equal(2, memory.GetSpan(0, 1)[0]);
        Assert.Equal(1, memory.GetSpan(109, 1)[0]);
    }

    [Fact]
    public void Read_Errors_AreResults()
    {
        using SafeFileHandle file = HostFile.Open(_folder["file"], OpenFlags.Write | OpenFlags.Create);
        byte[] content = new byte[1];

        Assert.Equal(-(long)Errno.EBADF, HostFile.Read(file, 0, content));
        Assert.Equal(-(long)Errno.EINVAL, HostFile.Write(file, -1, content));
        Assert.Equal(-(long)Errno.EFAULT, HostFile.Write(file, 0, [new IoVector(Page, 1)]));
        Assert.Equal(-(long)Errno.EINVAL, HostFile.Write(file, 0, new IoVector[HostFile.VectorsMax + 1]));
    }

    [Fact]
    public void Sync_OfAFile_IsZero()
    {
        using SafeFileHandle file = Create();
        HostFile.Write(file, 0, new byte[Page]);

        Assert.Equal(0, HostFile.StartWriteback(file, 0, 0));
        Assert.Equal(0, HostFile.Sync(file));
        Assert.Equal(0, HostFile.Sync(file, isDataOnly: false));
    }

    [Fact]
    public void Allocate_PunchHole_MakesAHoleThatCanBeFound()
    {
        using var memory = MemoryFile.Create("file", 0);
        HostFile.Write(memory.Handle, 0, Filled(4 * Page));

        Assert.Equal(0, HostFile.Allocate(memory.Handle, AllocateMode.PunchHole, Page, 2 * Page));

        Assert.Equal(Page, HostFile.FindHole(memory.Handle, 0));
        Assert.Equal(3 * Page, HostFile.FindData(memory.Handle, Page));
        Assert.Equal(4 * Page, HostFile.FindHole(memory.Handle, 3 * Page));
        Assert.Null(HostFile.FindData(memory.Handle, 4 * Page));
        Assert.Null(HostFile.FindHole(memory.Handle, 4 * Page));
        Assert.Equal(4 * Page, HostFile.SizeOf(memory.Handle));
        Assert.Equal(2 * Page, FileStatus.Of(memory.Handle).AllocatedBytes);
    }

    [Fact]
    public void Allocate_BehindTheEnd_GrowsTheFileUnlessToldNotTo()
    {
        using SafeFileHandle file = Create();

        Assert.Equal(0, HostFile.Allocate(file, AllocateMode.KeepSize, 0, 2 * Page));
        Assert.Equal(0, HostFile.SizeOf(file));
        Assert.Equal(0, HostFile.Allocate(file, AllocateMode.Allocate, 0, 2 * Page));

        Assert.Equal(2 * Page, HostFile.SizeOf(file));
        Assert.Equal(-(long)Errno.EINVAL, HostFile.Allocate(file, AllocateMode.Allocate, 0, 0));
    }

    [Fact]
    public void Resize_CutsAndGrows()
    {
        using SafeFileHandle file = Create();
        HostFile.Write(file, 0, Filled(100));

        HostFile.Resize(file, 10);
        HostFile.Resize(file, 20);
        byte[] content = new byte[64];

        Assert.Equal(20, HostFile.Read(file, 0, content));
        Assert.Equal(1, content[9]);
        Assert.Equal(0, content[10]);
    }

    [Fact]
    public void TryLock_TwoOpeningsOfOneFile_StandAgainstEachOther()
    {
        using SafeFileHandle first = Create();
        using SafeFileHandle second = HostFile.Open(_folder["file"], OpenFlags.ReadWrite);

        Assert.True(HostFile.TryLock(first, LockKind.Exclusive, 100, 1));
        Assert.False(HostFile.TryLock(second, LockKind.Shared, 100, 1));
        Assert.True(HostFile.TryLock(second, LockKind.Exclusive, 101, 1));
        Assert.False(HostFile.TryLock(second, LockKind.Exclusive, 0, 0));
        Assert.True(HostFile.TryLock(first, LockKind.Shared, 100, 1));
        Assert.True(HostFile.TryLock(second, LockKind.Shared, 100, 1));
        Assert.True(HostFile.TryLock(first, LockKind.None, 0, 0));

        Assert.True(HostFile.TryLock(second, LockKind.Exclusive, 0, 0));
    }

    [Fact]
    public void TryLock_ClosingAnotherDescriptorOfTheFile_DoesNotLoseIt()
    {
        using SafeFileHandle first = Create();
        using SafeFileHandle contender = HostFile.Open(_folder["file"], OpenFlags.ReadWrite);
        HostFile.TryLock(first, LockKind.Exclusive, 0, 0);

        HostFile.Open(_folder["file"], OpenFlags.Read).Dispose();

        Assert.False(HostFile.TryLock(contender, LockKind.Exclusive, 0, 0));
    }

    [Fact]
    public void TryLock_ReadOnlyDescriptorAndExclusiveLock_Throws()
    {
        Create().Dispose();
        using SafeFileHandle file = HostFile.Open(_folder["file"], OpenFlags.Read);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            HostFile.TryLock(file, LockKind.Exclusive, 0, 0)
        );

        Assert.Equal(Errno.EBADF, exception.Error);
    }

    [Fact]
    public void BlockDeviceLimits_OfAFile_Throws()
    {
        using SafeFileHandle file = Create();

        LinuxException exception = Assert.Throws<LinuxException>(() => BlockDeviceLimits.Of(file));

        Assert.Equal(Errno.ENOTTY, exception.Error);
        Assert.Equal(-(long)Errno.ENOTTY, BlockDeviceLimits.Discard(file, 0, Page));
    }

    [Fact]
    public void ReadAndWrite_AllocateNothing()
    {
        using var memory = MemoryFile.Create("file", Page);
        byte[] content = new byte[100];

        Allocations.AssertNone(() =>
        {
            for (int count = 0; count < 1_000; count++)
            {
                HostFile.Write(memory.Handle, 0, content);
                HostFile.Read(memory.Handle, 0, content);
            }
        });
    }

    private static byte[] Filled(int length)
    {
        byte[] content = new byte[length];
        Array.Fill(content, (byte)1);
        return content;
    }

    private SafeFileHandle Create() => HostFile.Open(_folder["file"], OpenFlags.ReadWrite | OpenFlags.Create);
}
