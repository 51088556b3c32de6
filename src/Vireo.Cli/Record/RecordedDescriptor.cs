using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;

namespace Vireo.Cli.Record;

/// <summary>What is remembered of a descriptor that came with a message: enough to put another in its place.</summary>
/// <param name="Kind">What it was.</param>
/// <param name="Bytes">How large it was; 0 for what has no size.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RecordedDescriptor(DescriptorKind Kind, long Bytes)
{
    /// <summary>Looks at a descriptor.</summary>
    /// <param name="handle">It; stays the caller's.</param>
    public static RecordedDescriptor Of(SafeFileHandle handle)
    {
        var status = FileStatus.Of(handle);
        return new(status.Kind, status.Kind == DescriptorKind.RegularFile ? status.SizeBytes : 0);
    }
}
