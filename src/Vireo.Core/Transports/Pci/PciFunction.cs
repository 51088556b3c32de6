using Vireo.Core.Admin;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues.Distant;

namespace Vireo.Core.Transports.Pci;

/// <summary>A virtio device as a PCI function (VIRTIO 1.4 §4.1): a register machine, bytes in and bytes out.</summary>
/// <remarks>
/// <para>
/// Takes any access: any offset, width and order. What means nothing reads as zero and is ignored when written; nothing
/// throws. Who routes an access - a VMM's exit, a vfio-user message, a test - is not known here. Whether memory space is enabled
/// is the router's business too, because an access that arrives was routed.
/// </para>
/// <para>
/// The device runs only while the driver lets the function master the bus and keeps it in D0: what is taken from it goes back
/// unharmed. All members belong to one control thread.
/// </para>
/// </remarks>
public sealed partial class PciFunction : ITransportCalls
{
    /// <summary>Length of the configuration space in bytes.</summary>
    public const int ConfigLengthBytes = PciConfigSpace.LengthBytes;

    /// <summary>How many base address registers a function has.</summary>
    public const int BarCount = 6;

    private readonly TransportCore _core;

    /// <summary>The device as the caller knows it; to the transport it may have a queue more.</summary>
    private readonly VirtioDevice _device;

    /// <summary>What the driver set up by commands; null when there is no administration virtqueue.</summary>
    private readonly SelfGroup? _admin;

    private readonly PciConfigSpace _config;
    private readonly PciCommonConfig _common;
    private readonly PciLayout _layout;
    private readonly PciCapabilities _capabilities;
    private readonly MsixTable _vectors;
    private readonly InterruptLine _line;

    /// <summary>Whether the function may access memory now; while it may not, the lifecycle is held.</summary>
    private bool _isMaster;

    /// <summary>Makes a function of a device, in the state after power-on.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="host">Who routes accesses, kicks and interrupts.</param>
    /// <param name="options">How it appears; null for the defaults.</param>
    /// <exception cref="DeviceException">The device's shared regions, or the vendor data, do not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of vectors is not within 0 to 2048.</exception>
    public PciFunction(VirtioDevice device, IPciHost host, PciFunctionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(host);
        options ??= new();
        _device = device;
        AdministeredDevice? administered = null;
        ITransportHost transportHost = host;
        if (options.TakesDistantMemory)
        {
            device = new DistantDevice(device);
        }

        if (options.HasAdminQueue)
        {
            administered = new(device);
            transportHost = new AdministeredHost(host, administered);
            device = administered;
        }

        int vectors = options.Vectors ?? Math.Clamp(device.Queues.Count + 1, 2, MsixTable.VectorsMax);
        ArgumentOutOfRangeException.ThrowIfNegative(vectors, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, MsixTable.VectorsMax, nameof(options));
        _vectors = new(vectors, host, options.IsVectorTableElsewhere);
        _line = new(host);
        _core = new(device, transportHost, this, options.Features);
        _common = new(_core, vectors, _device.Queues.Count);
        if (administered is not null)
        {
            _admin = new(new FunctionParts(_core, _common, administered));
            administered.Group = _admin;
        }

        _layout = new(device, _vectors);
        ushort id = PciIds.DeviceOf(device.Type);
        _config = new(PciIds.VirtioVendor, id, PciIds.Revision, PciIds.ClassOf(device.Type));
        _config.SetSubsystem(options.SubsystemVendor, options.Subsystem ?? id);
        for (int bar = 0; bar < BarCount; bar++)
        {
            if (_layout.Bars[bar].LengthBytes > 0)
            {
                _config.SetBar(bar, _layout.Bars[bar]);
            }
        }

        _capabilities = new(_config, device, _layout, vectors, options.VendorData);
        _config.Seal();
        _core.Lifecycle.Hold();
        ApplyConfig();
    }

    /// <summary>The status machine of the device.</summary>
    public DeviceLifecycle Lifecycle => _core.Lifecycle;

    /// <summary>How many MSI-X vectors the function has.</summary>
    public int VectorCount => _vectors.VectorCount;

    /// <summary>Whether the driver has enabled MSI-X.</summary>
    public bool IsMsixEnabled => _vectors.IsEnabled;

    /// <summary>The base address registers by index; those that are not there have length 0.</summary>
    public ReadOnlySpan<PciBar> Bars => _layout.Bars;

    /// <summary>Where the driver announces available buffers of a queue: a host may route writes there past the function.</summary>
    /// <param name="queueIndex">Which queue; below the number of the device's queues.</param>
    /// <returns>The base address register, the offset in it, and the width of the register in bytes.</returns>
    public (int Bar, ulong Offset, int LengthBytes) NotifyRegister(int queueIndex) =>
        (
            PciLayout.StructuresBar,
            _layout.NotifyOffset + (ulong)queueIndex * PciLayout.NotifyMultiplier,
            (int)PciLayout.NotifyMultiplier
        );

    /// <summary>The message the driver has written for a vector, for hosts that send it themselves.</summary>
    /// <param name="vector">Which vector; below <see cref="VectorCount"/>.</param>
    public (ulong Address, uint Data) MessageOf(int vector) => _vectors.MessageOf(vector);

    /// <summary>Gives the device memory; running queues go on in it. Must have been called before a driver starts a queue.</summary>
    /// <param name="memory">The memory; must outlive every queue that runs with it.</param>
    public void Attach(GuestMemory memory) => _core.Attach(memory);

    /// <summary>Back to the state after power-on, as by a reset of the bus or of the function.</summary>
    public void Reset()
    {
        _core.Reset();
        _vectors.Reset();
        _config.Reset();
        ApplyConfig();
    }

    /// <summary>Reads the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled; past the end of the space with zeros.</param>
    public void ReadConfig(ulong offset, Span<byte> destination)
    {
        destination.Clear();
        if (offset >= ConfigLengthBytes)
        {
            return;
        }

        int start = (int)offset;
        int length = Math.Min(destination.Length, ConfigLengthBytes - start);
        if (Touches(start, length, _capabilities.AccessData, sizeof(uint)))
        {
            ReadWindow();
        }

        _config.Values.Slice(start, length).CopyTo(destination);
        if (Touches(start, length, PciConfigSpace.Status, 1) && !_vectors.IsEnabled && _line.Status != 0)
        {
            destination[PciConfigSpace.Status - start] |= (byte)PciConfigSpace.StatusInterrupt;
        }
    }

    /// <summary>Writes the configuration space.</summary>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes; those past the end of the space are ignored.</param>
    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source)
    {
        if (offset >= ConfigLengthBytes)
        {
            return;
        }

        int start = (int)offset;
        source = source[..Math.Min(source.Length, ConfigLengthBytes - start)];
        _config.WriteMasked(start, source);
        ApplyConfig();
        if (Touches(start, source.Length, _capabilities.AccessData, sizeof(uint)))
        {
            WriteWindow();
        }
    }

    /// <summary>Reads a base address register's range.</summary>
    /// <param name="bar">Which; one that is not there reads as zeros.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="destination">Filled from one structure; what lies behind that structure, with zeros.</param>
    public void ReadBar(int bar, ulong offset, Span<byte> destination)
    {
        destination.Clear();
        if (destination.IsEmpty)
        {
            return;
        }

        switch (bar)
        {
            case PciLayout.StructuresBar:
                ReadStructure(offset, destination);
                break;
            case PciLayout.VectorsBar when offset < _layout.PendingOffset:
                _vectors.Read(offset, destination);
                break;
            case PciLayout.VectorsBar:
                _vectors.ReadPending(offset - _layout.PendingOffset, destination);
                break;
            default:
                break;
        }
    }

    /// <summary>Writes a base address register's range.</summary>
    /// <param name="bar">Which; one that is not there takes nothing.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="source">The bytes of one access.</param>
    public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source)
    {
        if (source.IsEmpty)
        {
            return;
        }

        switch (bar)
        {
            case PciLayout.StructuresBar:
                WriteStructure(offset, source);
                break;
            case PciLayout.VectorsBar when offset < _layout.PendingOffset:
                _vectors.Write(offset, source);
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    void ITransportCalls.CallQueue(TransportQueue queue)
    {
        if (!_vectors.IsEnabled)
        {
            _line.Raise(InterruptLine.QueueBit);
            return;
        }

        SendTo(queue.Vector);
    }

    /// <inheritdoc/>
    void ITransportCalls.CallConfig()
    {
        // The status shows it also while messages are enabled (VIRTIO 1.4 §4.1.4.5.1); the line is off then.
        _line.Raise(InterruptLine.ConfigBit);
        if (_vectors.IsEnabled)
        {
            SendTo(_common.ConfigVector);
        }
    }

    /// <inheritdoc/>
    void ITransportCalls.OnReset()
    {
        _common.ConfigVector = TransportQueue.NoVector;
        _line.Acknowledge(uint.MaxValue);
    }

    /// <summary>Whether two ranges have a byte in common.</summary>
    private static bool Touches(int start, int length, int otherStart, int otherLength) =>
        start < otherStart + otherLength && otherStart < start + length;

    private void SendTo(ushort vector)
    {
        if (vector != TransportQueue.NoVector)
        {
            _vectors.Send(vector);
        }
    }

    private void ReadStructure(ulong offset, Span<byte> destination)
    {
        if (offset < PciCommonConfig.LengthBytes)
        {
            _common.Read((int)offset, destination);
        }
        else if (offset is >= PciLayout.IsrOffset and < PciLayout.IsrOffset + PciLayout.IsrBytes)
        {
            // Only the first byte has bits, and only reading it acknowledges them.
            if (offset == PciLayout.IsrOffset)
            {
                destination[0] = (byte)_line.Acknowledge(uint.MaxValue);
            }
        }
        else if (offset >= PciLayout.DeviceOffset && offset < PciLayout.DeviceOffset + (ulong)_core.ConfigLengthBytes)
        {
            _core.ReadConfig(offset - PciLayout.DeviceOffset, destination);
        }
    }

    private void WriteStructure(ulong offset, ReadOnlySpan<byte> source)
    {
        if (offset < PciCommonConfig.LengthBytes)
        {
            _common.Write((int)offset, source);
        }
        else if (offset >= PciLayout.DeviceOffset && offset < PciLayout.DeviceOffset + (ulong)_core.ConfigLengthBytes)
        {
            _core.WriteConfig(offset - PciLayout.DeviceOffset, source);
        }
        else if (offset >= _layout.NotifyOffset && offset - _layout.NotifyOffset < _layout.NotifyBytes)
        {
            // The address says which queue; index or token and ring position in the value say nothing new (VIRTIO 1.4 §4.1.5.2).
            _core.Kick((uint)(offset - _layout.NotifyOffset) / PciLayout.NotifyMultiplier);
        }
    }

    /// <summary>VIRTIO 1.4 §4.1.4.9: the bytes that the window shows are read when the driver reads the window.</summary>
    private void ReadWindow()
    {
        (byte bar, uint offset, uint length) = _capabilities.Window;
        if (length is 1 or 2 or 4)
        {
            ReadBar(bar, offset, _config.Slice(_capabilities.AccessData, (int)length));
        }
    }

    private void WriteWindow()
    {
        (byte bar, uint offset, uint length) = _capabilities.Window;
        if (length is 1 or 2 or 4)
        {
            WriteBar(bar, offset, _config.Slice(_capabilities.AccessData, (int)length));
        }
    }

    /// <summary>Lets what the driver wrote into the configuration space take effect.</summary>
    private void ApplyConfig()
    {
        if (_capabilities.ExpressControl != 0 && TryTakeExpressReset())
        {
            Reset();
            return;
        }

        ushort command = _config.Read16(PciConfigSpace.Command);
        ushort msix = _capabilities.MsixControl == 0 ? (ushort)0 : _config.Read16(_capabilities.MsixControl);
        bool isMsixEnabled = (msix & PciCapabilities.MsixEnable) != 0;
        _vectors.Configure(isMsixEnabled, (msix & PciCapabilities.MsixFunctionMask) != 0);
        _line.Enable(!isMsixEnabled && (command & PciConfigSpace.CommandNoInterrupt) == 0);
        SetMaster((command & PciConfigSpace.CommandMaster) != 0 && IsPowered());
    }

    private bool TryTakeExpressReset()
    {
        ushort control = _config.Read16(_capabilities.ExpressControl);
        _config.Write16(_capabilities.ExpressControl, (ushort)(control & ~PciCapabilities.ExpressReset));
        return (control & PciCapabilities.ExpressReset) != 0;
    }

    /// <summary>Whether the function is in D0. There are D0 and D3 only; a write of another state leaves D0.</summary>
    private bool IsPowered()
    {
        if (_capabilities.PowerControl == 0)
        {
            return true;
        }

        ushort control = _config.Read16(_capabilities.PowerControl);
        int state = control & PciCapabilities.PowerState;
        if (state is 1 or 2)
        {
            _config.Write16(_capabilities.PowerControl, (ushort)(control & ~PciCapabilities.PowerState));
        }

        return state != PciCapabilities.PowerState;
    }

    private void SetMaster(bool isMaster)
    {
        if (isMaster == _isMaster)
        {
            return;
        }

        _isMaster = isMaster;
        if (isMaster)
        {
            _core.Lifecycle.Release();
        }
        else
        {
            _core.Lifecycle.Hold();
        }
    }
}
