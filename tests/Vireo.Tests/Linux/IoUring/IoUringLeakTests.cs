using Vireo.Linux.IoUring;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.IoUring;

[Collection(DescriptorCountCollection.Name)]
public sealed class IoUringLeakTests
{
    [Fact]
    public void CreateAndDispose_ManyTimes_LeaksNeitherDescriptorsNorMappings()
    {
        IoUringSupport.Need();
        using var memory = MemoryFile.Create("file", 4096);
        CreateAndDispose(memory);
        int descriptors = DescriptorCountCollection.Count();
        int mappings = CountMappings();

        for (int round = 0; round < 20; round++)
        {
            CreateAndDispose(memory);
        }

        Assert.Equal(descriptors, DescriptorCountCollection.Count());
        Assert.Equal(mappings, CountMappings());
    }

    private static void CreateAndDispose(MemoryFile memory)
    {
        using IoUringQueue queue = new();
        using IoUringFile file = queue.Attach(memory.Handle);
        queue.TryPrepareNop(1);
    }

    private static int CountMappings() =>
        File.ReadLines("/proc/self/maps").Count(line => line.Contains("io_uring", StringComparison.Ordinal));
}
