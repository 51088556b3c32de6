namespace Vireo.Core.Memory;

/// <summary>Translates the addresses a driver gives to a device: an IOMMU, or the copy of its mappings that a home keeps.</summary>
/// <remarks>Any thread may call, while mappings come and go.</remarks>
public interface IAddressTranslator
{
    /// <summary>Translates one address.</summary>
    /// <param name="address">The I/O virtual address.</param>
    /// <param name="access">What the device wants to do there.</param>
    /// <param name="target">The guest-physical address it stands for, when the outcome is Done.</param>
    /// <param name="lengthBytes">How many bytes from there on the same mapping covers, when the outcome is Done; at least 1.</param>
    /// <returns>Pending when the translation was asked for and will come or not; Refused when it never will.</returns>
    Translation Translate(GuestAddress address, MemoryAccess access, out GuestAddress target, out ulong lengthBytes);

    /// <summary>What a device may do at an address, as far as that is known already: nothing is asked for.</summary>
    /// <param name="address">The I/O virtual address.</param>
    /// <param name="target">The guest-physical address it stands for, where the device may do anything.</param>
    MemoryAccess AccessOf(GuestAddress address, out GuestAddress target);
}
