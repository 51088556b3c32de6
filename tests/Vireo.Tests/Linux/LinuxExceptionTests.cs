using Vireo.Linux;

namespace Vireo.Tests.Linux;

public sealed class LinuxExceptionTests
{
    [Fact]
    public void Message_WithDetail_NamesOperationSubjectAndError()
    {
        LinuxException exception = new(Errno.EACCES, "openat", "/dev/kvm");

        Assert.Equal("openat '/dev/kvm': permission denied (EACCES)", exception.Message);
        Assert.Equal(Errno.EACCES, exception.Error);
        Assert.Equal("openat", exception.Operation);
        Assert.Equal("/dev/kvm", exception.Detail);
    }

    [Fact]
    public void Message_WithoutDetail_NamesOperationAndError()
    {
        LinuxException exception = new(Errno.ENOMEM, "mmap");

        Assert.Equal("mmap: cannot allocate memory (ENOMEM)", exception.Message);
    }
}
