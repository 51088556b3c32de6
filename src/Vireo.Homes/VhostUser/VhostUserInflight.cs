using Microsoft.Win32.SafeHandles;
using Vireo.Homes.VhostUser.Protocol;

namespace Vireo.Homes.VhostUser;

/// <summary>The region in which a back-end records requests in flight, kept by the front-end so that it survives the back-end.</summary>
internal sealed class VhostUserInflight : IDisposable
{
    /// <summary>Describes a region.</summary>
    /// <param name="file">The file it lies in; becomes this object's.</param>
    /// <param name="description">Where in the file, and for which queues.</param>
    public VhostUserInflight(SafeFileHandle file, InflightDescription description)
    {
        File = file;
        Description = description;
    }

    /// <summary>The file.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Where the region lies in it, and for which queues.</summary>
    public InflightDescription Description { get; }

    /// <summary>Closes the file.</summary>
    public void Dispose() => File.Dispose();
}
