using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.Memory;

/// <summary>Pages that somebody supplies when they are first used. Needs CAP_SYS_PTRACE or vm.unprivileged_userfaultfd=1.</summary>
/// <remarks>
/// Only system calls touch missing pages here: a thread that slept on one in managed code would keep the garbage collector waiting, and
/// with it the thread that supplies the page.
/// </remarks>
public sealed class UserfaultTests : IDisposable
{
    private static readonly nuint PageBytes = (nuint)Environment.SystemPageSize;

    private readonly TemporaryFolder _folder = new();
    private readonly MemoryFile _file = MemoryFile.Create("late", (long)PageBytes * 4);
    private readonly MemoryMapping _mapping;

    public UserfaultTests() => _mapping = MemoryMapping.Map(_file.Handle, 0, PageBytes * 4, MappingAccess.ReadWrite);

    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Open_OnThisMachine_IsPossible() =>
        Assert.True(Userfault.IsAvailable, "give CAP_SYS_PTRACE, or set the sysctl vm.unprivileged_userfaultfd to 1");

    [Fact]
    public void Register_PageIsMissing_SystemCallWaitsForIt()
    {
        using var userfault = Userfault.Open();
        userfault.Register(_mapping);
        byte[] page = new byte[PageBytes];
        Array.Fill(page, (byte)7);
        Thread writer = Write(PageBytes);

        Assert.False(writer.Join(TimeSpan.FromMilliseconds(100)));
        userfault.Supply(_mapping.Address + (nint)PageBytes, page);

        Assert.True(writer.Join(TimeSpan.FromSeconds(10)));
        Assert.Equal(page, File.ReadAllBytes(_folder["copy"]));
    }

    [Fact]
    public void Supply_PageIsThere_SaysSo()
    {
        using var userfault = Userfault.Open();
        userfault.Register(_mapping);
        userfault.Supply(_mapping.Address, new byte[PageBytes]);

        LinuxException exception = Assert.Throws<LinuxException>(() =>
            userfault.Supply(_mapping.Address, new byte[PageBytes])
        );

        Assert.Equal(Errno.EEXIST, exception.Error);
    }

    [Fact]
    public void TryPoison_PageNeverCame_SystemCallFails_AndOthersGoOn()
    {
        using var userfault = Userfault.Open();
        userfault.Register(_mapping);
        byte[] page = new byte[PageBytes];
        Array.Fill(page, (byte)9);
        userfault.Supply(_mapping.Address + (nint)PageBytes, page);
        Thread waiting = Write(0);
        Assert.False(waiting.Join(TimeSpan.FromMilliseconds(50)));

        Assert.True(userfault.TryPoison());

        Assert.True(waiting.Join(TimeSpan.FromSeconds(10)));
        Assert.Equal(0, new FileInfo(_folder["copy"]).Length);
        Assert.True(Write(PageBytes).Join(TimeSpan.FromSeconds(10)));
        Assert.Equal(page, File.ReadAllBytes(_folder["copy"]));
    }

    [Fact]
    public void End_PagesThatNeverCame_AreZeros()
    {
        using var userfault = Userfault.Open();
        userfault.Register(_mapping);

        userfault.End();

        Assert.Equal(-1, _mapping.GetSpan(0, (int)PageBytes).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Register_NotWholePages_Refuses()
    {
        using var userfault = Userfault.Open();
        using var mapping = MemoryMapping.Map(_file.Handle, 0, PageBytes + 1, MappingAccess.ReadWrite);

        LinuxException exception = Assert.Throws<LinuxException>(() => userfault.Register(mapping));

        Assert.Contains("not made of whole pages", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Copies a page into a file, on a thread of its own. A page that cannot be read leaves the file empty.</summary>
    private Thread Write(nuint offset)
    {
        Thread thread = new(() =>
        {
            using FileStream file = File.Create(_folder["copy"], bufferSize: 0);
            try
            {
                file.Write(_mapping.GetSpan(offset, (int)PageBytes));
            }
            catch (IOException)
            {
                file.SetLength(0);
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        return thread;
    }
}
