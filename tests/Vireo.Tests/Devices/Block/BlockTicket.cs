using Vireo.Core.Memory;

namespace Vireo.Tests.Devices.Block;

/// <summary>A chain that was made available.</summary>
internal sealed class BlockTicket(GuestRange[] writable)
{
    public GuestRange[] Writable => writable;

    /// <summary>The answer; null while the device has the chain.</summary>
    public BlockAnswer? Answer { get; set; }
}
