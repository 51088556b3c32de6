namespace Vireo.Homes.VfioUser;

/// <summary>How a client lays out DMA_READ and DMA_WRITE.</summary>
internal enum DmaForm
{
    /// <summary>It has not been found out.</summary>
    Unknown,

    /// <summary>As the protocol says: an address and a count of 64 bits each, then the data.</summary>
    Standard,

    /// <summary>As QEMU does up to 11.1: a count of 32 bits, the data right behind it, and 4 bytes of nothing at the end.</summary>
    ShortCount,
}
