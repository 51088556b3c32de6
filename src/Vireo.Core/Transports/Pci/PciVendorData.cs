namespace Vireo.Core.Transports.Pci;

/// <summary>Data in a vendor data capability: for people who debug, without meaning to drivers (VIRTIO 1.4 §4.1.4.8).</summary>
/// <param name="Vendor">PCI vendor id that says how to read the data; not 0x1af4.</param>
/// <param name="Data">The data, at most 56 bytes; padded with zeros to make the capability a multiple of 4 bytes.</param>
public sealed record PciVendorData(ushort Vendor, ReadOnlyMemory<byte> Data);
