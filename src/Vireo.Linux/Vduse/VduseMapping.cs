using Microsoft.Win32.SafeHandles;

namespace Vireo.Linux.Vduse;

/// <summary>A range of a driver's addresses and the file that it is a shared mapping of (<c>struct vduse_iotlb_entry</c>).</summary>
/// <param name="file">The file; becomes this object's.</param>
public sealed class VduseMapping(SafeFileHandle file) : IDisposable
{
    /// <summary>The file.</summary>
    public SafeFileHandle File { get; } = file;

    /// <summary>Where in the file the first address is.</summary>
    public required ulong FileOffset { get; init; }

    /// <summary>The first address.</summary>
    public required ulong First { get; init; }

    /// <summary>The last address.</summary>
    public required ulong Last { get; init; }

    /// <summary>Whether the device may read there.</summary>
    public required bool IsReadable { get; init; }

    /// <summary>Whether the device may write there.</summary>
    public required bool IsWritable { get; init; }

    /// <summary>Closes the file; mappings made of it stay.</summary>
    public void Dispose() => File.Dispose();
}
