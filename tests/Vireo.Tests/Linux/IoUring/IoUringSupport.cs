using Vireo.Linux.IoUring;

namespace Vireo.Tests.Linux.IoUring;

/// <summary>Many hosts forbid io_uring; the tests then say so.</summary>
internal static class IoUringSupport
{
    /// <summary>Skips the test where io_uring cannot be used.</summary>
    public static void Need()
    {
        bool isSupported = IoUringQueue.IsSupported(out string reason);
        Assert.Equal(isSupported, reason.Length == 0);
        Assert.SkipUnless(isSupported, reason);
    }
}
