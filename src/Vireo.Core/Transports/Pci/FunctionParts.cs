using System.Buffers.Binary;
using Vireo.Core.Admin;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Pci;

/// <summary>The state of a function in the parts of VIRTIO 1.4 §2.11, for the driver of that very function.</summary>
/// <remarks>
/// What the administration virtqueue itself stands on - features, status, its own ring - can be compared only: a driver cannot
/// exchange it under its own feet. The registers of all other queues can be set. A part says nothing of where a ring stands: a split ring that
/// is set anew goes on where its used ring ends, because a stopped device has used all it had taken; a packed one begins.
/// </remarks>
internal sealed class FunctionParts(TransportCore core, PciCommonConfig common, AdministeredDevice device)
    : IDeviceParts
{
    /// <summary>Length of <c>struct virtio_dev_part_vq_cfg</c>.</summary>
    private const int QueueBytes = 32;

    private static readonly int[] CommonFields =
    [
        PciCommonConfig.NumQueues,
        PciCommonConfig.AdminQueueIndex,
        PciCommonConfig.AdminQueueCount,
    ];

    /// <inheritdoc/>
    public bool IsStopped => device.IsStopped;

    /// <inheritdoc/>
    public void Stop() => device.StopDevice();

    /// <inheritdoc/>
    public void Resume() => device.ResumeDevice();

    /// <inheritdoc/>
    public List<DevicePart> Read()
    {
        List<DevicePart> parts =
        [
            new(DevicePartType.DeviceFeatures, 0, BytesOf(core.Lifecycle.Offered)),
            new(DevicePartType.DriverFeatures, 0, BytesOf(core.Lifecycle.Negotiated)),
        ];
        foreach (int field in CommonFields)
        {
            byte[] value = new byte[sizeof(ushort)];
            common.Read(field, value);
            parts.Add(new(DevicePartType.CommonConfig, (uint)field, value));
        }

        parts.Add(new(DevicePartType.Status, 0, [(byte)core.Lifecycle.Status]));
        for (int index = 0; index < device.AdminIndex; index++)
        {
            parts.Add(new(DevicePartType.QueueConfig, (uint)index, BytesOf(core.Queue(index))));
        }

        for (int index = 0; index < device.AdminIndex; index++)
        {
            byte[] value = new byte[8];
            BinaryPrimitives.WriteUInt16LittleEndian(value, (ushort)index);
            BinaryPrimitives.WriteUInt16LittleEndian(value.AsSpan(2), common.TokenOf(index));
            parts.Add(new(DevicePartType.QueueNotify, (uint)index, value));
        }

        return parts;
    }

    /// <inheritdoc/>
    public bool TryWrite(IReadOnlyList<DevicePart> parts)
    {
        List<DevicePart> have = Read();
        foreach (DevicePart part in parts)
        {
            bool isGood = part.Type == DevicePartType.QueueConfig ? IsPossible(part) : IsAmong(have, part);
            if (!isGood)
            {
                return false;
            }
        }

        foreach (DevicePart part in parts)
        {
            // A queue that stays as it is keeps its place in the ring.
            if (part.Type == DevicePartType.QueueConfig && !IsAmong(have, part))
            {
                Set(core.Queue((int)part.Selector), part.Value);
            }
        }

        return true;
    }

    private static bool IsAmong(List<DevicePart> have, DevicePart part)
    {
        foreach (DevicePart other in have)
        {
            if (other.Type == part.Type && other.Selector == part.Selector)
            {
                return other.Value.AsSpan().SequenceEqual(part.Value);
            }
        }

        return false;
    }

    private static byte[] BytesOf(FeatureSet features)
    {
        byte[] bytes = new byte[2 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, features.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(sizeof(ulong)), features.High);
        return bytes;
    }

    private static byte[] BytesOf(TransportQueue queue)
    {
        byte[] bytes = new byte[QueueBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, queue.Size);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), queue.Vector);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), queue.IsEnabled ? (ushort)1 : (ushort)0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), queue.Descriptors);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), queue.Driver);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), queue.Device);
        return bytes;
    }

    private bool IsPossible(DevicePart part)
    {
        AdminData value = new(part.Value);
        ushort vector = value.Read16(2);
        return core.TakesSize(core.Queue((int)part.Selector), value.Read16(0))
            && common.Valid(vector) == vector
            && value.Read16(4) is 0 or 1;
    }

    private void Set(TransportQueue queue, byte[] bytes)
    {
        AdminData value = new(bytes);
        core.Disable(queue);
        queue.Size = value.Read16(0);
        queue.Vector = value.Read16(2);
        queue.Descriptors = value.Read64(8);
        queue.Driver = value.Read64(16);
        queue.Device = value.Read64(24);
        if (value.Read16(4) == 1)
        {
            core.Enable(queue, PlaceOf(queue));
        }
    }

    private QueueState PlaceOf(TransportQueue queue)
    {
        Span<byte> index = stackalloc byte[sizeof(ushort)];
        bool isKnown =
            !core.Has(CoreFeature.RingPacked)
            && queue.Device <= ulong.MaxValue - SplitRing.IndexOffset
            && device.TryReadMemory(new(queue.Device + SplitRing.IndexOffset), index);
        ushort used = BinaryPrimitives.ReadUInt16LittleEndian(index);
        return isKnown ? new(used, used) : QueueState.Fresh;
    }
}
