using System.Runtime.InteropServices;
using Vireo.Devices.Block;

namespace Vireo.Drivers.Block;

/// <summary>A request that the device has answered.</summary>
/// <param name="Tag">What the caller named the request.</param>
/// <param name="Status">How it went. A value without a name is one that the specification does not know: the device erred.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct BlockCompletion(ulong Tag, BlockStatus Status)
{
    /// <summary>Whether the device did what it was asked for.</summary>
    public bool IsDone => Status == BlockStatus.Ok;
}
