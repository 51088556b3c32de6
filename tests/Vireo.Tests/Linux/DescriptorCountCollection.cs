namespace Vireo.Tests.Linux;

/// <summary>Tests that count this process' descriptors: nothing else may run beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class DescriptorCountCollection
{
    public const string Name = "descriptor counts";

    /// <summary>Open descriptors, after everything unreachable has been finalized.</summary>
    public static int Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Directory.GetFileSystemEntries("/proc/self/fd").Length;
    }
}
