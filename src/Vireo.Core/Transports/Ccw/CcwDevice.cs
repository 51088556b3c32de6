using Vireo.Core.Contract;
using Vireo.Core.Memory;

namespace Vireo.Core.Transports.Ccw;

/// <summary>A virtio device behind channel I/O (VIRTIO 1.4 §4.3): executes channel programs, revision 1 and 2.</summary>
/// <remarks>
/// Takes any program: whatever it says, it ends with a status, and nothing throws. Who owns the subchannel - a VMM's
/// instruction intercepts, a test - is not known here. All members belong to one control thread.
/// </remarks>
public sealed class CcwDevice : ITransportCalls
{
    /// <summary>The control unit type of all virtio devices.</summary>
    public const ushort ControlUnitType = 0x3832;

    /// <summary>The highest revision of this transport.</summary>
    public const int RevisionMax = 2;

    private const UnitStatus Done = UnitStatus.ChannelEnd | UnitStatus.DeviceEnd;

    private readonly TransportCore _core;
    private readonly ICcwHost _host;
    private readonly CcwOptions _options;
    private readonly CcwCommands _commands;

    /// <summary>The driver's memory: programs, their data and the indicators lie in it.</summary>
    private volatile GuestMemory _memory = new MappedMemory([]);

    /// <summary>Written by the control thread, read by the loops of queues.</summary>
    private volatile CcwIndicators _indicators = new();

    /// <summary>Puts a device behind a subchannel that is not enabled.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="host">Who owns the subchannel.</param>
    /// <param name="options">How it appears; null for the defaults.</param>
    public CcwDevice(VirtioDevice device, ICcwHost host, CcwOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(host);
        _options = options ?? new();
        _host = host;
        _core = new(device, host, this, _options.Features);
        _commands = new(_core, this);
    }

    /// <summary>The status machine of the device.</summary>
    public DeviceLifecycle Lifecycle => _core.Lifecycle;

    /// <summary>Where the driver looks for what has happened.</summary>
    internal CcwIndicators Indicators
    {
        get => _indicators;
        set => _indicators = value;
    }

    /// <summary>Gives the device memory; running queues go on in it. Must have been called before a program is started.</summary>
    /// <param name="memory">The memory; must outlive every queue that runs with it.</param>
    public void Attach(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        _core.Attach(memory);
    }

    /// <summary>The subchannel has been enabled or disabled: the device is reset, and its revision is unset (VIRTIO 1.4 §4.3.2.1.1).</summary>
    public void ResetSubchannel()
    {
        _core.Reset();
        _commands.ForgetRevision();
    }

    /// <summary>Executes a channel program.</summary>
    /// <param name="request">Where it lies, and how it is to be read.</param>
    /// <returns>How it ended.</returns>
    public ChannelResult Start(ChannelRequest request)
    {
        ChannelProgram program = new(_memory, request);
        while (true)
        {
            ChannelStatus status = program.TryFetch(out CcwCommand command, out ChannelData data, out byte flags);
            if (status != ChannelStatus.None)
            {
                return new(program.Address, UnitStatus.None, status, 0);
            }

            CcwOutcome outcome = _commands.Execute(command, data, (flags & ChannelWord.SuppressLength) != 0);
            ushort residual = (ushort)Math.Min(ushort.MaxValue, Math.Max(0, data.Count - outcome.Moved));
            if (!outcome.IsGood || (flags & ChannelWord.ChainCommand) == 0)
            {
                return new(program.Address, outcome.Unit, outcome.Channel, residual);
            }
        }
    }

    /// <summary>The driver announces available buffers: diagnose 0x500, subcode 3 (VIRTIO 1.4 §4.3.3.2).</summary>
    /// <param name="subchannel">General register 2; its upper half does not count.</param>
    /// <param name="data">General register 3: which queue.</param>
    /// <param name="cookie">General register 4: what the last call returned, or anything.</param>
    /// <returns>The host cookie for general register 2; null when another device is meant.</returns>
    public ulong? Notify(ulong subchannel, ulong data, ulong cookie)
    {
        if ((subchannel & uint.MaxValue) != _options.Subchannel)
        {
            return null;
        }

        // The index says which queue; the cookie saves nothing here, and the position in the ring says nothing new.
        _core.Kick((uint)(data & ushort.MaxValue));
        return cookie;
    }

    /// <inheritdoc/>
    void ITransportCalls.CallQueue(TransportQueue queue)
    {
        CcwIndicators indicators = _indicators;
        if (indicators.Adapter is not null)
        {
            (GuestAddress address, byte mask) = indicators.AdapterBitOf(queue.Index);
            bool isSet = _memory.TryAtomicOr(address, mask, out _);
            if (isSet && _memory.TryAtomicOr(indicators.Summary, 1, out byte before) && before == 0)
            {
                _host.InterruptAdapter(indicators.Subclass);
            }
        }
        else if (indicators.Queues is { } classic && queue.Index < CcwCommands.ClassicQueuesMax)
        {
            Raise(classic, queue.Index);
        }
    }

    /// <inheritdoc/>
    void ITransportCalls.CallConfig()
    {
        if (_indicators.Config is { } config)
        {
            Raise(config, 0);
        }
    }

    /// <inheritdoc/>
    void ITransportCalls.OnReset() => _indicators = new();

    private void Raise(GuestAddress number, int bit)
    {
        (GuestAddress address, byte mask) = CcwIndicators.BitOf(number, bit);
        if (_memory.TryAtomicOr(address, mask, out _))
        {
            _host.InterruptSubchannel();
        }
    }
}
