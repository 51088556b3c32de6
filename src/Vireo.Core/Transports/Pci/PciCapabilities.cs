using System.Buffers.Binary;
using Vireo.Core.Contract;

namespace Vireo.Core.Transports.Pci;

/// <summary>Writes the capability list of a virtio function (VIRTIO 1.4 §4.1.4) and remembers where its live registers are.</summary>
internal sealed class PciCapabilities
{
    /// <summary>A vendor-specific capability: those of VIRTIO.</summary>
    public const byte VendorSpecific = 0x09;

    /// <summary>Power management.</summary>
    public const byte PowerManagement = 0x01;

    /// <summary>Message-signalled interrupts with a table.</summary>
    public const byte Msix = 0x11;

    /// <summary>PCI Express.</summary>
    public const byte Express = 0x10;

    /// <summary>MSI-X message control: all vectors are masked.</summary>
    public const ushort MsixFunctionMask = 1 << 14;

    /// <summary>MSI-X message control: messages are sent instead of the interrupt line.</summary>
    public const ushort MsixEnable = 1 << 15;

    /// <summary>Power state in the power management control register.</summary>
    public const ushort PowerState = 0b11;

    /// <summary>PCI Express device control: reset the function.</summary>
    public const ushort ExpressReset = 1 << 15;

    public const byte CommonType = 1;
    public const byte NotifyType = 2;
    public const byte IsrType = 3;
    public const byte DeviceType = 4;
    public const byte AccessType = 5;
    public const byte SharedMemoryType = 8;
    public const byte VendorDataType = 9;

    /// <summary>Length of <c>struct virtio_pci_cap</c>.</summary>
    private const int StructureBytes = 16;

    public const int TypeAt = 3;
    public const int BarAt = 4;
    public const int IdAt = 5;
    public const int OffsetAt = 8;
    public const int LengthAt = 12;
    public const int ExtraAt = 16;
    public const int LengthHighAt = 20;

    private const int ExpressBytes = 60;
    private const int ExpressControlAt = 8;

    private readonly PciConfigSpace _config;

    public PciCapabilities(
        PciConfigSpace config,
        VirtioDevice device,
        PciLayout layout,
        int vectors,
        PciVendorData? vendorData
    )
    {
        _config = config;
        AddStructure(CommonType, PciLayout.CommonOffset, PciCommonConfig.LengthBytes);
        AddNotify(layout);
        AddStructure(IsrType, PciLayout.IsrOffset, PciLayout.IsrBytes);
        if (device.ConfigLengthBytes > 0)
        {
            AddStructure(DeviceType, PciLayout.DeviceOffset, (uint)device.ConfigLengthBytes);
        }

        AccessOffset = AddAccess();
        MsixControl = AddMsix(vectors, layout);
        AddSharedRegions(device, layout);
        AddVendorData(vendorData);
        PowerControl = AddPowerManagement();
        ExpressControl = AddExpress();
    }

    /// <summary>Offset of the configuration access capability's data window.</summary>
    public int AccessData => AccessOffset + ExtraAt;

    /// <summary>Offset of the message control of MSI-X; 0 when there is none.</summary>
    public int MsixControl { get; }

    /// <summary>Offset of the power management control register; 0 when there is none.</summary>
    public int PowerControl { get; }

    /// <summary>Offset of the PCI Express device control; 0 when there is none.</summary>
    public int ExpressControl { get; }

    private int AccessOffset { get; }

    /// <summary>What the driver has told the configuration access capability to reach.</summary>
    public (byte Bar, uint Offset, uint Length) Window =>
        (
            _config.Values[AccessOffset + BarAt],
            _config.Read32(AccessOffset + OffsetAt),
            _config.Read32(AccessOffset + LengthAt)
        );

    private static void Fill(Span<byte> capability, byte type, byte bar, uint offset, uint length)
    {
        capability[2] = (byte)capability.Length;
        capability[TypeAt] = type;
        capability[BarAt] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(capability[OffsetAt..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(capability[LengthAt..], length);
    }

    private int Add(Span<byte> capability) => _config.AddCapability(VendorSpecific, capability[2..]);

    private void AddStructure(byte type, uint offset, uint length)
    {
        Span<byte> capability = stackalloc byte[StructureBytes];
        Fill(capability, type, PciLayout.StructuresBar, offset, length);
        Add(capability);
    }

    private void AddNotify(PciLayout layout)
    {
        Span<byte> capability = stackalloc byte[StructureBytes + sizeof(uint)];
        Fill(capability, NotifyType, PciLayout.StructuresBar, layout.NotifyOffset, layout.NotifyBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(capability[ExtraAt..], PciLayout.NotifyMultiplier);
        Add(capability);
    }

    private int AddAccess()
    {
        Span<byte> capability = stackalloc byte[StructureBytes + sizeof(uint)];
        Fill(capability, AccessType, 0, 0, 0);
        int offset = Add(capability);
        _config.Allow8(offset + BarAt, byte.MaxValue);
        _config.Allow32(offset + OffsetAt, uint.MaxValue);
        _config.Allow32(offset + LengthAt, uint.MaxValue);
        _config.Allow32(offset + ExtraAt, uint.MaxValue);
        return offset;
    }

    private int AddMsix(int vectors, PciLayout layout)
    {
        if (vectors == 0)
        {
            return 0;
        }

        Span<byte> body = stackalloc byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(vectors - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(body[2..], PciLayout.VectorsBar);
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], layout.PendingOffset | PciLayout.VectorsBar);
        int control = _config.AddCapability(Msix, body) + 2;
        _config.Allow16(control, MsixEnable | MsixFunctionMask);
        return control;
    }

    private void AddSharedRegions(VirtioDevice device, PciLayout layout)
    {
        Span<byte> capability = stackalloc byte[StructureBytes + 2 * sizeof(uint)];
        for (int index = 0; index < device.SharedRegions.Count; index++)
        {
            if (_config.RoomForCapabilities < capability.Length)
            {
                throw new DeviceException(
                    $"{device.SharedRegions.Count} shared memory regions do not fit into the capabilities of a PCI function"
                );
            }

            SharedRegion region = device.SharedRegions[index];
            ulong offset = layout.RegionOffset(index);
            Fill(
                capability,
                SharedMemoryType,
                PciLayout.SharedBar,
                unchecked((uint)offset),
                unchecked((uint)region.LengthBytes)
            );
            capability[IdAt] = region.Id;
            BinaryPrimitives.WriteUInt32LittleEndian(capability[ExtraAt..], (uint)(offset >> 32));
            BinaryPrimitives.WriteUInt32LittleEndian(capability[LengthHighAt..], (uint)(region.LengthBytes >> 32));
            Add(capability);
        }
    }

    private void AddVendorData(PciVendorData? vendorData)
    {
        if (vendorData is null)
        {
            return;
        }

        const int HeaderBytes = 6;
        int length = (HeaderBytes + vendorData.Data.Length + 3) & ~3;
        if (vendorData.Vendor == PciIds.VirtioVendor || length > _config.RoomForCapabilities)
        {
            throw new DeviceException(
                $"vendor data of 0x{vendorData.Vendor:x4} with {vendorData.Data.Length} bytes: the vendor must not be 0x1af4, and there is room for {_config.RoomForCapabilities - HeaderBytes} bytes"
            );
        }

        Span<byte> capability = stackalloc byte[length];
        capability.Clear();
        capability[2] = (byte)length;
        capability[TypeAt] = VendorDataType;
        BinaryPrimitives.WriteUInt16LittleEndian(capability[4..], vendorData.Vendor);
        vendorData.Data.Span.CopyTo(capability[HeaderBytes..]);
        Add(capability);
    }

    /// <summary>States D0 and D3.</summary>
    /// <remarks>
    /// They keep the function's state, but No_Soft_Reset does not promise that: from 6.11 on Linux takes the promise for the sleep of the
    /// whole machine, too, does not set the device up again, and meets one that its monitor has reset.
    /// </remarks>
    private int AddPowerManagement()
    {
        Span<byte> body = [3, 0, 0, 0, 0, 0];
        if (body.Length + 2 > _config.RoomForCapabilities)
        {
            return 0;
        }

        int control = _config.AddCapability(PowerManagement, body) + 4;
        _config.Allow16(control, PowerState);
        return control;
    }

    /// <summary>A PCI Express endpoint, left out where it does not fit: drivers do without.</summary>
    private int AddExpress()
    {
        if (ExpressBytes > _config.RoomForCapabilities)
        {
            return 0;
        }

        Span<byte> body = stackalloc byte[ExpressBytes - 2];
        body.Clear();
        // Version 2 endpoint; function-level reset, role-based errors; one lane of 2.5 GT/s, in both capability sets.
        BinaryPrimitives.WriteUInt16LittleEndian(body, 0x0002);
        BinaryPrimitives.WriteUInt32LittleEndian(body[2..], 0x1000_8000);
        BinaryPrimitives.WriteUInt16LittleEndian(body[6..], 0x2810);
        BinaryPrimitives.WriteUInt32LittleEndian(body[10..], 0x11);
        BinaryPrimitives.WriteUInt16LittleEndian(body[16..], 0x11);
        BinaryPrimitives.WriteUInt32LittleEndian(body[42..], 0x2);
        int control = _config.AddCapability(Express, body) + ExpressControlAt;
        _config.Allow16(control, 0x78ff | ExpressReset);
        return control;
    }
}
