using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Pci;

/// <summary>Drives a virtio device over PCI (VIRTIO 1.4 §4.1).</summary>
public sealed class PciDriver : TransportDriver
{
    /// <summary>More capabilities than this do not fit into a configuration space: the list is a loop.</summary>
    private const int CapabilitiesMax = 48;

    /// <summary>The common structure up to and including the addresses of a queue; the rest came with later versions.</summary>
    private const uint CommonBytesMin = 56;

    private readonly IPciAccess _access;

    /// <summary>The configuration space, and zeros behind it, so that a capability at its very end can be read like any other.</summary>
    private readonly byte[] _space = new byte[PciFunction.ConfigLengthBytes + 2 * PciCapabilities.ExtraAt];

    private readonly List<(SharedRegion Region, int Bar, ulong Offset)> _sharedRegions = [];
    private readonly Structure _common;
    private readonly Structure _notify;
    private readonly Structure _isr;
    private readonly Structure _config;
    private readonly uint _notifyMultiplier;

    /// <summary>Offset of the MSI-X message control, or 0.</summary>
    private readonly int _msixControl;

    /// <summary>What is written to notify each queue: where, and with which token.</summary>
    private readonly Dictionary<int, (ulong Offset, ushort Token)> _kicks = [];

    /// <summary>Finds the structures of a function.</summary>
    /// <param name="access">How to reach it.</param>
    /// <exception cref="DeviceException">It is not a virtio function, or lacks a structure.</exception>
    public PciDriver(IPciAccess access)
    {
        ArgumentNullException.ThrowIfNull(access);
        _access = access;
        access.ReadConfig(0, _space.AsSpan(0, PciFunction.ConfigLengthBytes));
        ushort vendor = BinaryPrimitives.ReadUInt16LittleEndian(_space);
        ushort device = BinaryPrimitives.ReadUInt16LittleEndian(_space.AsSpan(2));
        DeviceId = PciIds.TypeOf(device);
        if (vendor != PciIds.VirtioVendor || DeviceId == 0)
        {
            throw new DeviceException(
                $"{vendor:x4}:{device:x4} is not a virtio device (1af4:1041 to 1af4:107f, or a transitional id)"
            );
        }

        _common = Find(PciCapabilities.CommonType);
        _notify = Find(PciCapabilities.NotifyType);
        _isr = Find(PciCapabilities.IsrType);
        _config = Find(PciCapabilities.DeviceType);
        _notifyMultiplier = _notify.Capability == 0 ? 0 : Read32(_notify.Capability + PciCapabilities.ExtraAt);
        _msixControl = FindCapability(PciCapabilities.Msix) is int msix and not 0 ? msix + 2 : 0;
        FindSharedRegions();
        if (_common.LengthBytes < CommonBytesMin || _notify.LengthBytes < 2 || _isr.LengthBytes < 1)
        {
            throw new DeviceException("the function lacks the common, notification or ISR structure");
        }
    }

    /// <inheritdoc/>
    public override uint DeviceId { get; }

    /// <inheritdoc/>
    public override DeviceStatus Status => (DeviceStatus)ReadCommon8(PciCommonConfig.Status);

    /// <summary>How many queues the device has, administration queues not counted.</summary>
    public int QueueCount => ReadCommon16(PciCommonConfig.NumQueues);

    /// <summary>Index of the first administration virtqueue; the driver has accepted ADMIN_VQ.</summary>
    public int AdminQueueIndex => ReadCommon16(PciCommonConfig.AdminQueueIndex);

    /// <summary>How many administration virtqueues there are; the driver has accepted ADMIN_VQ.</summary>
    public int AdminQueueCount => ReadCommon16(PciCommonConfig.AdminQueueCount);

    /// <summary>How many MSI-X vectors there are; 0 without MSI-X.</summary>
    public int VectorCount => _msixControl == 0 ? 0 : (Read16(_msixControl) & 0x7ff) + 1;

    /// <summary>Length of the device's configuration structure in bytes; 0 when it has none.</summary>
    public uint ConfigLengthBytes => _config.LengthBytes;

    /// <summary>The shared memory regions: which, in which base address register, and where in it.</summary>
    public IReadOnlyList<(SharedRegion Region, int Bar, ulong Offset)> SharedRegions => _sharedRegions;

    /// <summary>Lets the function answer in memory space, master the bus, and use MSI-X or its line.</summary>
    /// <param name="useMsix">Whether to send messages.</param>
    public void EnableFunction(bool useMsix)
    {
        Span<byte> word = [(byte)(PciConfigSpace.CommandMemory | PciConfigSpace.CommandMaster), 0];
        _access.WriteConfig(PciConfigSpace.Command, word);
        if (_msixControl != 0)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(word, useMsix ? PciCapabilities.MsixEnable : (ushort)0);
            _access.WriteConfig((ulong)_msixControl, word);
        }
    }

    /// <summary>Maps configuration changes to a vector.</summary>
    /// <returns>False when the device cannot.</returns>
    public bool TryMapConfig(ushort vector)
    {
        if (!IsInTable(vector))
        {
            return false;
        }

        WriteCommon16(PciCommonConfig.ConfigMsixVector, vector);
        return ReadCommon16(PciCommonConfig.ConfigMsixVector) == vector;
    }

    /// <summary>Maps a queue's calls to a vector.</summary>
    /// <returns>False when the device cannot.</returns>
    public bool TryMapQueue(int index, ushort vector)
    {
        if (!IsInTable(vector))
        {
            return false;
        }

        Select(index);
        WriteCommon16(PciCommonConfig.QueueMsixVector, vector);
        return ReadCommon16(PciCommonConfig.QueueMsixVector) == vector;
    }

    /// <summary>Reads the interrupt status, which acknowledges it: bit 0 for queues, bit 1 for configuration changes.</summary>
    public byte TakeInterruptStatus()
    {
        Span<byte> value = stackalloc byte[1];
        _access.ReadBar(_isr.Bar, _isr.Offset, value);
        return value[0];
    }

    /// <inheritdoc/>
    public override ushort ReadSizeMax(int index)
    {
        Select(index);
        return ReadCommon16(PciCommonConfig.QueueSize);
    }

    /// <inheritdoc/>
    /// <exception cref="RingException">No ring of this layout has this size.</exception>
    public override void EnableQueue(int index, in QueueAreas areas)
    {
        RingLocator.CheckSize(areas.Size, Features.Contains(CoreFeature.RingPacked));
        Select(index);
        WriteCommon16(PciCommonConfig.QueueSize, areas.Size);
        WriteCommon64(PciCommonConfig.QueueDescriptors, areas.Descriptors.Value);
        WriteCommon64(PciCommonConfig.QueueDriver, areas.Driver.Value);
        WriteCommon64(PciCommonConfig.QueueDevice, areas.Device.Value);
        ulong offset = _notify.Offset + (ulong)ReadCommon16(PciCommonConfig.QueueNotifyOffset) * _notifyMultiplier;
        bool hasToken = Features.Contains(CoreFeature.NotificationConfigData);
        _kicks[index] = (offset, hasToken ? ReadCommon16(PciCommonConfig.QueueNotifyConfigData) : (ushort)index);
        WriteCommon16(PciCommonConfig.QueueEnable, 1);
    }

    /// <inheritdoc/>
    protected override void WriteKick(int index, ushort nextOffset, bool nextWrap)
    {
        (ulong offset, ushort token) = _kicks[index];
        Span<byte> value = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(value, NotificationData(token, nextOffset, nextWrap));
        bool hasData = Features.Contains(CoreFeature.NotificationData);
        _access.WriteBar(_notify.Bar, offset, hasData ? value : value[..2]);
    }

    /// <inheritdoc/>
    public override void WriteStatus(DeviceStatus status)
    {
        Span<byte> value = [(byte)status];
        _access.WriteBar(_common.Bar, _common.Offset + PciCommonConfig.Status, value);
    }

    /// <summary>Whether a queue is enabled.</summary>
    public bool IsQueueEnabled(int index)
    {
        Select(index);
        return ReadCommon16(PciCommonConfig.QueueEnable) != 0;
    }

    /// <inheritdoc/>
    protected override uint ReadDeviceFeatures(uint word)
    {
        WriteCommon32(PciCommonConfig.DeviceFeatureSelect, word);
        return ReadCommon32(PciCommonConfig.DeviceFeature);
    }

    /// <inheritdoc/>
    protected override void WriteDriverFeatures(uint word, uint features)
    {
        WriteCommon32(PciCommonConfig.DriverFeatureSelect, word);
        WriteCommon32(PciCommonConfig.DriverFeature, features);
    }

    /// <inheritdoc/>
    protected override void WriteQueueReset(int index)
    {
        Select(index);
        WriteCommon16(PciCommonConfig.QueueReset, 1);
    }

    /// <inheritdoc/>
    protected override bool IsQueueResetting(int index)
    {
        Select(index);
        return ReadCommon16(PciCommonConfig.QueueReset) != 0;
    }

    /// <inheritdoc/>
    protected override uint ReadGeneration() => ReadCommon8(PciCommonConfig.ConfigGeneration);

    /// <inheritdoc/>
    protected override void ReadConfigField(int offset, Span<byte> destination) =>
        _access.ReadBar(_config.Bar, _config.Offset + (ulong)offset, destination);

    /// <inheritdoc/>
    protected override void WriteConfigField(int offset, ReadOnlySpan<byte> source) =>
        _access.WriteBar(_config.Bar, _config.Offset + (ulong)offset, source);

    private ushort Read16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_space.AsSpan(offset));

    private uint Read32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_space.AsSpan(offset));

    /// <summary>The first structure of a type in a base address register that there can be (VIRTIO 1.4 §4.1.4.1).</summary>
    private Structure Find(byte type)
    {
        foreach (int capability in Capabilities())
        {
            if (
                _space[capability] == PciCapabilities.VendorSpecific
                && _space[capability + PciCapabilities.TypeAt] == type
            )
            {
                byte bar = _space[capability + PciCapabilities.BarAt];
                if (bar < PciFunction.BarCount)
                {
                    return new(
                        capability,
                        bar,
                        Read32(capability + PciCapabilities.OffsetAt),
                        Read32(capability + PciCapabilities.LengthAt)
                    );
                }
            }
        }

        return default;
    }

    private int FindCapability(byte id)
    {
        foreach (int capability in Capabilities())
        {
            if (_space[capability] == id)
            {
                return capability;
            }
        }

        return 0;
    }

    private void FindSharedRegions()
    {
        foreach (int capability in Capabilities())
        {
            byte bar = _space[capability + PciCapabilities.BarAt];
            bool isRegion =
                _space[capability] == PciCapabilities.VendorSpecific
                && _space[capability + PciCapabilities.TypeAt] == PciCapabilities.SharedMemoryType
                && bar < PciFunction.BarCount;
            if (isRegion)
            {
                ulong offset =
                    Read32(capability + PciCapabilities.OffsetAt)
                    | (ulong)Read32(capability + PciCapabilities.ExtraAt) << 32;
                ulong length =
                    Read32(capability + PciCapabilities.LengthAt)
                    | (ulong)Read32(capability + PciCapabilities.LengthHighAt) << 32;
                _sharedRegions.Add((new(_space[capability + PciCapabilities.IdAt], length), bar, offset));
            }
        }
    }

    /// <summary>The offsets of all capabilities that lie whole in the space; a list that loops ends.</summary>
    private List<int> Capabilities()
    {
        List<int> found = [];
        int next =
            (Read16(PciConfigSpace.Status) & PciConfigSpace.StatusCapabilities) == 0
                ? 0
                : _space[PciConfigSpace.CapabilityPointer] & ~3;
        while (next is >= 0x40 and <= PciFunction.ConfigLengthBytes - 4 && found.Count < CapabilitiesMax)
        {
            if (
                _space[next] != PciCapabilities.VendorSpecific
                || next + _space[next + 2] <= PciFunction.ConfigLengthBytes
            )
            {
                found.Add(next);
            }

            next = _space[next + 1] & ~3;
        }

        return found;
    }

    private bool IsInTable(ushort vector) => vector == TransportQueue.NoVector || vector < VectorCount;

    private void Select(int index) => WriteCommon16(PciCommonConfig.QueueSelect, (ushort)index);

    private byte ReadCommon8(int offset)
    {
        Span<byte> value = stackalloc byte[1];
        _access.ReadBar(_common.Bar, _common.Offset + (ulong)offset, value);
        return value[0];
    }

    private ushort ReadCommon16(int offset)
    {
        Span<byte> value = stackalloc byte[2];
        _access.ReadBar(_common.Bar, _common.Offset + (ulong)offset, value);
        return BinaryPrimitives.ReadUInt16LittleEndian(value);
    }

    private uint ReadCommon32(int offset)
    {
        Span<byte> value = stackalloc byte[4];
        _access.ReadBar(_common.Bar, _common.Offset + (ulong)offset, value);
        return BinaryPrimitives.ReadUInt32LittleEndian(value);
    }

    private void WriteCommon16(int offset, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        _access.WriteBar(_common.Bar, _common.Offset + (ulong)offset, bytes);
    }

    private void WriteCommon32(int offset, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _access.WriteBar(_common.Bar, _common.Offset + (ulong)offset, bytes);
    }

    private void WriteCommon64(int offset, ulong value)
    {
        WriteCommon32(offset, unchecked((uint)value));
        WriteCommon32(offset + 4, (uint)(value >> 32));
    }

    /// <summary>Where a structure lies; its capability is 0 when there is none.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Structure(int Capability, byte Bar, ulong Offset, uint LengthBytes);
}
