using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.Vduse;

/// <summary>The beginning of the file that a VDUSE home leaves to its successor; the queues' in-flight regions follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VduseStateHeader
{
    /// <summary>The letters <c>VIREOVDU</c> in a file that is whole.</summary>
    public Le64 Magic;

    /// <summary>Version of this layout.</summary>
    public Le32 Version;

    /// <summary>The virtio device id.</summary>
    public Le32 DeviceId;

    /// <summary>The features on offer.</summary>
    public Le64 Features;

    /// <summary>Length of the configuration space.</summary>
    public Le32 ConfigBytes;

    /// <summary>How many queues.</summary>
    public Le32 QueueCount;

    /// <summary>Length of the whole file: says the sizes of the queues.</summary>
    public Le64 LengthBytes;

    /// <summary>The status that the driver wrote last.</summary>
    public Le32 Status;

    /// <summary>Zero.</summary>
    public Le32 Reserved;
}
