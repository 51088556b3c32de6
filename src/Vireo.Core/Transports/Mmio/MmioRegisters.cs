using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Mmio;

/// <summary>A virtio device behind memory-mapped registers, version 2 (VIRTIO 1.4 §4.2): a register machine, bytes in and bytes out.</summary>
/// <remarks>
/// Takes any access: any offset, width and order. Control registers answer aligned accesses of 32 bits only (§4.2.2.2); all
/// else reads as zero and is ignored when written. The configuration space takes every width. Nothing throws. All members belong
/// to one control thread.
/// </remarks>
public sealed class MmioRegisters : ITransportCalls
{
    private readonly TransportCore _core;
    private readonly InterruptLine _line;
    private readonly MmioOptions _options;
    private uint _sharedSelect;

    /// <summary>Puts registers before a device, in the state of reset.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="host">Who routes accesses, kicks and the interrupt.</param>
    /// <param name="options">How it appears; null for the defaults.</param>
    public MmioRegisters(VirtioDevice device, ILineHost host, MmioOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(host);
        _options = options ?? new();
        _line = new(host);
        _core = new(device, host, this, _options.Features);
    }

    /// <summary>The status machine of the device.</summary>
    public DeviceLifecycle Lifecycle => _core.Lifecycle;

    /// <summary>Bytes from the first register to the end of the configuration space.</summary>
    public int LengthBytes => MmioRegister.Config + _core.ConfigLengthBytes;

    /// <summary>Offset of the register by which the driver announces available buffers: a host may route writes there past the registers.</summary>
    public static int NotifyRegister => MmioRegister.QueueNotify;

    /// <summary>Gives the device memory; running queues go on in it. Must have been called before a driver starts a queue.</summary>
    /// <param name="memory">The memory; must outlive every queue that runs with it.</param>
    public void Attach(GuestMemory memory) => _core.Attach(memory);

    /// <summary>Back to the state after power-on.</summary>
    public void Reset() => _core.Reset();

    /// <summary>Reads registers or configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled.</param>
    public void Read(ulong offset, Span<byte> destination)
    {
        destination.Clear();
        if (offset >= MmioRegister.Config)
        {
            _core.ReadConfig(offset - MmioRegister.Config, destination);
        }
        else if (destination.Length == sizeof(uint) && offset % sizeof(uint) == 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination, Read((int)offset));
        }
    }

    /// <summary>Writes a register or configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes of one access.</param>
    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        if (offset >= MmioRegister.Config)
        {
            _core.WriteConfig(offset - MmioRegister.Config, source);
        }
        else if (source.Length == sizeof(uint) && offset % sizeof(uint) == 0)
        {
            Write((int)offset, BinaryPrimitives.ReadUInt32LittleEndian(source));
        }
    }

    /// <inheritdoc/>
    void ITransportCalls.CallQueue(TransportQueue queue) => _line.Raise(InterruptLine.QueueBit);

    /// <inheritdoc/>
    void ITransportCalls.CallConfig() => _line.Raise(InterruptLine.ConfigBit);

    /// <inheritdoc/>
    void ITransportCalls.OnReset() => _line.Acknowledge(uint.MaxValue);

    private static uint Low(ulong value) => unchecked((uint)value);

    private static uint High(ulong value) => (uint)(value >> 32);

    private static ulong WithLow(ulong old, uint low) => old & ~(ulong)uint.MaxValue | low;

    private static ulong WithHigh(ulong old, uint high) => old & uint.MaxValue | (ulong)high << 32;

    private uint Read(int register) =>
        register switch
        {
            MmioRegister.MagicValue => MmioRegister.Magic,
            MmioRegister.Version => MmioRegister.ModernVersion,
            MmioRegister.DeviceId => (uint)_core.Device.Type,
            MmioRegister.VendorId => _options.Vendor,
            MmioRegister.DeviceFeatures => _core.DeviceFeatureWord,
            MmioRegister.QueueSizeMax => _core.Selected?.SizeMax ?? 0,
            MmioRegister.QueueReady => _core.Selected is { IsEnabled: true } ? 1u : 0,
            MmioRegister.InterruptStatus => _line.Status,
            MmioRegister.Status => (uint)_core.Status,
            MmioRegister.SharedLengthLow => Low(SharedRegion().LengthBytes),
            MmioRegister.SharedLengthHigh => High(SharedRegion().LengthBytes),
            MmioRegister.SharedBaseLow => Low(SharedRegion().Address),
            MmioRegister.SharedBaseHigh => High(SharedRegion().Address),
            MmioRegister.QueueReset => _core.Selected is { } queue && _core.IsResetting(queue) ? 1u : 0,
            MmioRegister.ConfigGeneration => _core.ConfigGeneration,
            _ => 0,
        };

    private void Write(int register, uint value)
    {
        switch (register)
        {
            case MmioRegister.DeviceFeaturesSelect:
                _core.DeviceFeatureSelect = value;
                break;
            case MmioRegister.DriverFeaturesSelect:
                _core.DriverFeatureSelect = value;
                break;
            case MmioRegister.DriverFeatures:
                _core.DriverFeatureWord = value;
                break;
            case MmioRegister.QueueSelect:
                _core.QueueSelect = value;
                break;
            case MmioRegister.QueueNotify:
                _core.Kick(_core.Has(CoreFeature.NotificationData) ? value & ushort.MaxValue : value);
                break;
            case MmioRegister.InterruptAcknowledge:
                _line.Acknowledge(value);
                break;
            case MmioRegister.Status:
                _core.WriteStatus(value);
                break;
            case MmioRegister.SharedSelect:
                _sharedSelect = value;
                break;
            default:
                WriteQueue(register, value);
                break;
        }
    }

    private void WriteQueue(int register, uint value)
    {
        switch (_core.Selected)
        {
            case null:
                break;
            case { } queue when register == MmioRegister.QueueReset:
                if (value == 1)
                {
                    _core.ResetQueue(queue);
                }

                break;
            case { IsEnabled: true } queue:
                // A queue that is ready takes no other settings; it can be taken back (VIRTIO 1.4 §4.2.2.2).
                if (register == MmioRegister.QueueReady && value == 0)
                {
                    _core.Disable(queue);
                }

                break;
            case { } queue:
                SetUpQueue(queue, register, value);
                break;
        }
    }

    private void SetUpQueue(TransportQueue queue, int register, uint value)
    {
        switch (register)
        {
            case MmioRegister.QueueSize:
                _core.WriteSize(queue, value);
                break;
            case MmioRegister.QueueReady when value == 1:
                _core.Enable(queue);
                break;
            case MmioRegister.QueueDescriptorsLow:
                queue.Descriptors = WithLow(queue.Descriptors, value);
                break;
            case MmioRegister.QueueDescriptorsHigh:
                queue.Descriptors = WithHigh(queue.Descriptors, value);
                break;
            case MmioRegister.QueueDriverLow:
                queue.Driver = WithLow(queue.Driver, value);
                break;
            case MmioRegister.QueueDriverHigh:
                queue.Driver = WithHigh(queue.Driver, value);
                break;
            case MmioRegister.QueueDeviceLow:
                queue.Device = WithLow(queue.Device, value);
                break;
            case MmioRegister.QueueDeviceHigh:
                queue.Device = WithHigh(queue.Device, value);
                break;
            default:
                break;
        }
    }

    /// <summary>The selected shared region; all ones when there is none (VIRTIO 1.4 §4.2.2).</summary>
    private (ulong LengthBytes, ulong Address) SharedRegion()
    {
        foreach (SharedRegion region in _core.Device.SharedRegions)
        {
            if (region.Id == _sharedSelect && _options.SharedRegionAddresses.TryGetValue(region.Id, out ulong address))
            {
                return (region.LengthBytes, address);
            }
        }

        return (ulong.MaxValue, ulong.MaxValue);
    }
}
