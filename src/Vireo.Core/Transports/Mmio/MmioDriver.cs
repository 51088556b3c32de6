using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Mmio;

/// <summary>Drives a virtio device over memory-mapped registers (VIRTIO 1.4 §4.2).</summary>
public sealed class MmioDriver : TransportDriver
{
    /// <summary>The events that the specification knows (VIRTIO 1.4 §4.2.2).</summary>
    private const uint KnownEvents = InterruptLine.QueueBit | InterruptLine.ConfigBit;

    private readonly IMmioAccess _access;

    /// <summary>Checks that there is a device of this version.</summary>
    /// <param name="access">How to reach its registers.</param>
    /// <exception cref="DeviceException">There is none, or it is a legacy device.</exception>
    public MmioDriver(IMmioAccess access)
    {
        ArgumentNullException.ThrowIfNull(access);
        _access = access;
        uint magic = Read(MmioRegister.MagicValue);
        uint version = Read(MmioRegister.Version);
        if (magic != MmioRegister.Magic || version != MmioRegister.ModernVersion)
        {
            throw new DeviceException($"magic 0x{magic:x8} and version {version} are not those of a virtio device");
        }

        DeviceId = Read(MmioRegister.DeviceId);
    }

    /// <inheritdoc/>
    /// <remarks>0 is a place where a device may come to be: it is no error, and nothing else of it may be touched.</remarks>
    public override uint DeviceId { get; }

    /// <inheritdoc/>
    public override DeviceStatus Status => (DeviceStatus)Read(MmioRegister.Status);

    /// <summary>The events that happened: bit 0 for queues, bit 1 for configuration changes.</summary>
    public uint InterruptStatus => Read(MmioRegister.InterruptStatus) & KnownEvents;

    /// <summary>Says that events have been handled.</summary>
    public void Acknowledge(uint events) => Write(MmioRegister.InterruptAcknowledge, events & KnownEvents);

    /// <summary>Finds a shared memory region.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="address">Where it lies in physical memory.</param>
    /// <param name="lengthBytes">How long it is.</param>
    /// <returns>False when there is none.</returns>
    public bool TryFindSharedRegion(byte id, out ulong address, out ulong lengthBytes)
    {
        Write(MmioRegister.SharedSelect, id);
        lengthBytes = Read64(MmioRegister.SharedLengthLow);
        address = Read64(MmioRegister.SharedBaseLow);
        return lengthBytes != ulong.MaxValue;
    }

    /// <inheritdoc/>
    public override ushort ReadSizeMax(int index)
    {
        Select(index);
        return (ushort)(Read(MmioRegister.QueueSizeMax) & ushort.MaxValue);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The queue runs already, or takes no ring of this size.</exception>
    public override void EnableQueue(int index, in QueueAreas areas)
    {
        int sizeMax = ReadSizeMax(index);
        if (areas.Size > sizeMax || IsQueueEnabled(index))
        {
            throw new DeviceException(
                $"queue {index} takes rings of up to {sizeMax} descriptors while it does not run, and not one of {areas.Size}"
            );
        }

        Write(MmioRegister.QueueSize, areas.Size);
        Write64(MmioRegister.QueueDescriptorsLow, areas.Descriptors.Value);
        Write64(MmioRegister.QueueDriverLow, areas.Driver.Value);
        Write64(MmioRegister.QueueDeviceLow, areas.Device.Value);
        Write(MmioRegister.QueueReady, 1);
    }

    /// <summary>Whether a queue is ready.</summary>
    public bool IsQueueEnabled(int index)
    {
        Select(index);
        return Read(MmioRegister.QueueReady) != 0;
    }

    /// <summary>Takes a queue back without resetting it.</summary>
    /// <exception cref="DeviceException">The device does not give it back.</exception>
    public void DisableQueue(int index)
    {
        Select(index);
        Write(MmioRegister.QueueReady, 0);
        WaitFor(
            this,
            static driver => driver.Read(MmioRegister.QueueReady) == 0,
            "the device does not give a queue back"
        );
    }

    /// <inheritdoc/>
    protected override void WriteKick(int index, ushort nextOffset, bool nextWrap)
    {
        bool hasData = Features.Contains(CoreFeature.NotificationData);
        Write(MmioRegister.QueueNotify, hasData ? NotificationData((ushort)index, nextOffset, nextWrap) : (uint)index);
    }

    /// <inheritdoc/>
    public override void WriteStatus(DeviceStatus status) => Write(MmioRegister.Status, (uint)status);

    /// <inheritdoc/>
    protected override uint ReadDeviceFeatures(uint word)
    {
        Write(MmioRegister.DeviceFeaturesSelect, word);
        return Read(MmioRegister.DeviceFeatures);
    }

    /// <inheritdoc/>
    protected override void WriteDriverFeatures(uint word, uint features)
    {
        Write(MmioRegister.DriverFeaturesSelect, word);
        Write(MmioRegister.DriverFeatures, features);
    }

    /// <inheritdoc/>
    protected override void WriteQueueReset(int index)
    {
        Select(index);
        Write(MmioRegister.QueueReset, 1);
    }

    /// <inheritdoc/>
    protected override bool IsQueueResetting(int index)
    {
        Select(index);
        return Read(MmioRegister.QueueReset) != 0;
    }

    /// <inheritdoc/>
    protected override uint ReadGeneration() => Read(MmioRegister.ConfigGeneration);

    /// <inheritdoc/>
    protected override void ReadConfigField(int offset, Span<byte> destination) =>
        _access.Read((ulong)(MmioRegister.Config + offset), destination);

    /// <inheritdoc/>
    protected override void WriteConfigField(int offset, ReadOnlySpan<byte> source) =>
        _access.Write((ulong)(MmioRegister.Config + offset), source);

    private void Select(int index) => Write(MmioRegister.QueueSelect, (uint)index);

    private uint Read(int register)
    {
        Span<byte> value = stackalloc byte[sizeof(uint)];
        _access.Read((ulong)register, value);
        return BinaryPrimitives.ReadUInt32LittleEndian(value);
    }

    private ulong Read64(int register) => Read(register) | (ulong)Read(register + sizeof(uint)) << 32;

    private void Write(int register, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _access.Write((ulong)register, bytes);
    }

    private void Write64(int register, ulong value)
    {
        Write(register, unchecked((uint)value));
        Write(register + sizeof(uint), (uint)(value >> 32));
    }
}
