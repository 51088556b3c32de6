using System.Buffers.Binary;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Pci;

/// <summary>The common configuration structure (VIRTIO 1.4 §4.1.4.3): which bytes mean which register.</summary>
/// <remarks>
/// Reads have no side effects and may have any width. A write counts only when it is as wide as the field, or as one half of a
/// 64-bit field or the whole of it; drivers must not write otherwise (§4.1.3.1), and half of a 16-bit register has no meaning.
/// </remarks>
internal sealed class PciCommonConfig
{
    /// <summary>Length in bytes.</summary>
    public const int LengthBytes = 64;

    public const int DeviceFeatureSelect = 0;
    public const int DeviceFeature = 4;
    public const int DriverFeatureSelect = 8;
    public const int DriverFeature = 12;
    public const int ConfigMsixVector = 16;
    public const int NumQueues = 18;
    public const int Status = 20;
    public const int ConfigGeneration = 21;
    public const int QueueSelect = 22;
    public const int QueueSize = 24;
    public const int QueueMsixVector = 26;
    public const int QueueEnable = 28;
    public const int QueueNotifyOffset = 30;
    public const int QueueDescriptors = 32;
    public const int QueueDriver = 40;
    public const int QueueDevice = 48;
    public const int QueueNotifyConfigData = 56;
    public const int QueueReset = 58;
    public const int AdminQueueIndex = 60;
    public const int AdminQueueCount = 62;

    private readonly TransportCore _core;
    private readonly int _vectors;

    /// <summary>How many of the queues are the device's own; an administration virtqueue may follow.</summary>
    private readonly int _ownQueues;

    /// <summary>Written by the control thread, read by whoever announces a change.</summary>
    private volatile ushort _configVector = TransportQueue.NoVector;

    public PciCommonConfig(TransportCore core, int vectors, int ownQueues)
    {
        _ownQueues = ownQueues;
        _core = core;
        _vectors = vectors;
    }

    /// <summary>The vector that configuration changes are announced with.</summary>
    public ushort ConfigVector
    {
        get => _configVector;
        set => _configVector = value;
    }

    /// <summary>Reads any part of the structure.</summary>
    /// <param name="offset">First byte; below <see cref="LengthBytes"/>.</param>
    /// <param name="destination">Filled as far as the structure goes.</param>
    public void Read(int offset, Span<byte> destination)
    {
        Span<byte> bytes = stackalloc byte[LengthBytes];
        bytes.Clear();
        ReadDevice(bytes);
        ReadQueue(bytes);
        ReadOnlySpan<byte> rest = bytes[offset..];
        rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
    }

    /// <summary>Writes a field.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes.</param>
    public void Write(int offset, ReadOnlySpan<byte> source)
    {
        switch (source.Length)
        {
            case 1 when offset == Status:
                _core.WriteStatus(source[0]);
                break;
            case 2:
                Write16(offset, BinaryPrimitives.ReadUInt16LittleEndian(source));
                break;
            case 4:
                Write32(offset, BinaryPrimitives.ReadUInt32LittleEndian(source));
                break;
            case 8 when offset is QueueDescriptors or QueueDriver or QueueDevice:
                Write32(offset, BinaryPrimitives.ReadUInt32LittleEndian(source));
                Write32(offset + 4, BinaryPrimitives.ReadUInt32LittleEndian(source[4..]));
                break;
            default:
                break;
        }
    }

    /// <summary>What a driver writes to kick a queue, where it asks (VIRTIO 1.4 §4.1.5.2).</summary>
    public ushort TokenOf(int queueIndex) =>
        _core.Has(CoreFeature.NotificationConfigData) ? (ushort)queueIndex : (ushort)0;

    /// <summary>Unmaps queues from vectors that do not exist.</summary>
    public void CheckVectors()
    {
        for (int index = 0; index < _core.QueueCount; index++)
        {
            _core.Queue(index).Vector = Valid(_core.Queue(index).Vector);
        }
    }

    /// <summary>The selected queue; null when there is none, or only for drivers that know of administration virtqueues.</summary>
    private TransportQueue? Selected =>
        _core.Selected is { } queue && (queue.Index < _ownQueues || _core.Has(CoreFeature.AdminQueue)) ? queue : null;

    private static void Put16(Span<byte> bytes, int offset, int value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[offset..], (ushort)value);

    private static void Put32(Span<byte> bytes, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);

    private static void Put64(Span<byte> bytes, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[offset..], value);

    /// <summary>A 64-bit register with one half replaced.</summary>
    private static ulong WithHalf(ulong old, bool isHigh, uint half) =>
        isHigh ? old & uint.MaxValue | (ulong)half << 32 : old & ~(ulong)uint.MaxValue | half;

    private void ReadDevice(Span<byte> bytes)
    {
        Put32(bytes, DeviceFeatureSelect, _core.DeviceFeatureSelect);
        Put32(bytes, DeviceFeature, _core.DeviceFeatureWord);
        Put32(bytes, DriverFeatureSelect, _core.DriverFeatureSelect);
        Put32(bytes, DriverFeature, _core.DriverFeatureWord);
        Put16(bytes, ConfigMsixVector, ConfigVector);
        Put16(bytes, NumQueues, _ownQueues);
        bytes[Status] = (byte)_core.Status;
        bytes[ConfigGeneration] = (byte)(_core.ConfigGeneration & byte.MaxValue);
        Put16(bytes, QueueSelect, (int)_core.QueueSelect);
        if (_core.Has(CoreFeature.AdminQueue))
        {
            Put16(bytes, AdminQueueIndex, _ownQueues);
            Put16(bytes, AdminQueueCount, _core.QueueCount - _ownQueues);
        }
    }

    private void ReadQueue(Span<byte> bytes)
    {
        if (Selected is not { } queue)
        {
            Put16(bytes, QueueMsixVector, TransportQueue.NoVector);
            return;
        }

        Put16(bytes, QueueSize, queue.Size);
        Put16(bytes, QueueMsixVector, queue.Vector);
        Put16(bytes, QueueEnable, queue.IsEnabled ? 1 : 0);
        Put16(bytes, QueueNotifyOffset, queue.Index);
        Put64(bytes, QueueDescriptors, queue.Descriptors);
        Put64(bytes, QueueDriver, queue.Driver);
        Put64(bytes, QueueDevice, queue.Device);
        Put16(bytes, QueueNotifyConfigData, TokenOf(queue.Index));
        Put16(bytes, QueueReset, _core.IsResetting(queue) ? 1 : 0);
    }

    private void Write16(int offset, ushort value)
    {
        switch (offset)
        {
            case ConfigMsixVector:
                ConfigVector = Valid(value);
                return;
            case QueueSelect:
                _core.QueueSelect = value;
                return;
            default:
                break;
        }

        if (Selected is not { } queue)
        {
            return;
        }

        switch (offset)
        {
            case QueueSize:
                _core.WriteSize(queue, value);
                break;
            case QueueMsixVector:
                queue.Vector = Valid(value);
                break;
            case QueueEnable when value == 1:
                _core.Enable(queue);
                break;
            case QueueReset when value == 1:
                _core.ResetQueue(queue);
                break;
            default:
                break;
        }
    }

    private void Write32(int offset, uint value)
    {
        switch (offset)
        {
            case DeviceFeatureSelect:
                _core.DeviceFeatureSelect = value;
                break;
            case DriverFeatureSelect:
                _core.DriverFeatureSelect = value;
                break;
            case DriverFeature:
                _core.DriverFeatureWord = value;
                break;
            case >= QueueDescriptors and < QueueNotifyConfigData when offset % 4 == 0:
                WriteAddress(offset, value);
                break;
            default:
                break;
        }
    }

    private void WriteAddress(int offset, uint value)
    {
        if (Selected is not { IsEnabled: false } queue)
        {
            return;
        }

        bool isHigh = offset % 8 != 0;
        switch (offset & ~7)
        {
            case QueueDescriptors:
                queue.Descriptors = WithHalf(queue.Descriptors, isHigh, value);
                break;
            case QueueDriver:
                queue.Driver = WithHalf(queue.Driver, isHigh, value);
                break;
            default:
                queue.Device = WithHalf(queue.Device, isHigh, value);
                break;
        }
    }

    /// <summary>A vector that exists stays; any other maps to none, which is how a failure shows (VIRTIO 1.4 §4.1.5.1.2.1).</summary>
    public ushort Valid(ushort vector) => vector < _vectors ? vector : TransportQueue.NoVector;
}
