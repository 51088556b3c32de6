using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Core.Transports.Ccw;

/// <summary>Drives a virtio device over channel I/O (VIRTIO 1.4 §4.3) by programs of one command each.</summary>
public sealed class CcwDriver : TransportDriver
{
    /// <summary>Guest memory a driver needs for its programs and their data, below 2 GiB, in bytes.</summary>
    public const int ScratchBytes = 4096;

    private const int DataAt = 64;

    /// <summary>The first revision that reads the status (VIRTIO 1.4 §4.3.2.4).</summary>
    private const int StatusRevision = 2;

    /// <summary>Where in the scratch memory the classic indicators lie; those of changes follow.</summary>
    private const int IndicatorsAt = 16;

    private readonly ICcwAccess _access;
    private readonly GuestMemory _memory;
    private readonly uint _scratch;
    private ulong _cookie;

    /// <summary>What the device took last: revision 1 has no command that reads the status back.</summary>
    private DeviceStatus _status;

    /// <summary>Sets up what the last call of Use... has; a reset takes it away.</summary>
    private Action _setUpIndicators = static () => { };

    /// <summary>Finds out whether there is a device, and chooses the highest revision it knows.</summary>
    /// <param name="access">How to reach it.</param>
    /// <param name="memory">The memory that driver and device share.</param>
    /// <param name="scratch">Where in it <see cref="ScratchBytes"/> are the driver's: below 2 GiB, a multiple of 8.</param>
    /// <exception cref="DeviceException">It is no virtio device, or knows no revision of ours.</exception>
    public CcwDriver(ICcwAccess access, GuestMemory memory, uint scratch)
    {
        ArgumentNullException.ThrowIfNull(access);
        ArgumentNullException.ThrowIfNull(memory);
        _access = access;
        _memory = memory;
        _scratch = scratch;
        Span<byte> identity = stackalloc byte[7];
        Run(CcwCommand.SenseId, identity);
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(identity[1..]);
        if (type != CcwDevice.ControlUnitType)
        {
            throw new DeviceException($"control unit type 0x{type:x4} is not that of a virtio device, 0x3832");
        }

        DeviceId = identity[3];
        Revision = ChooseRevision();
    }

    /// <inheritdoc/>
    public override uint DeviceId { get; }

    /// <summary>The revision that both sides know.</summary>
    public int Revision { get; }

    /// <inheritdoc/>
    /// <remarks>With revision 1, what the device took last; that it needs a reset cannot be seen then.</remarks>
    public override DeviceStatus Status
    {
        get
        {
            if (Revision < StatusRevision)
            {
                return _status;
            }

            Span<byte> value = stackalloc byte[1];
            Run(CcwCommand.ReadStatus, value);
            return (DeviceStatus)value[0];
        }
    }

    /// <summary>Sets classic indicators up, for queues and for configuration changes; and again after each negotiation.</summary>
    public void UseClassicIndicators() => Use(SetUpClassic);

    /// <summary>Sets two-stage indicators up for queues, and classic ones for changes; and again after each negotiation.</summary>
    /// <param name="summary">Address of the summary byte.</param>
    /// <param name="area">Address of the area of indicators.</param>
    /// <param name="bit">Number of the first queue's bit in the area.</param>
    /// <param name="subclass">The interruption subclass, 0 to 7.</param>
    public void UseAdapterIndicators(GuestAddress summary, GuestAddress area, ulong bit, byte subclass) =>
        Use(() => SetUpAdapter(summary, area, bit, subclass));

    /// <summary>Takes two-stage indicators, after an adapter interrupt.</summary>
    /// <param name="summary">Address of the summary byte; cleared first, so that a call which comes now interrupts again.</param>
    /// <param name="area">Address of the area of indicators.</param>
    /// <param name="indicators">Receives the area as it was; its length is the area's. Bit i, from the left, is that of queue i.</param>
    public void TakeAdapterIndicators(GuestAddress summary, GuestAddress area, Span<byte> indicators)
    {
        Check(_memory.TryWrite(summary, [0]));
        Check(_memory.TryRead(area, indicators));
        Span<byte> zeros = new byte[indicators.Length];
        Check(_memory.TryWrite(area, zeros));
    }

    /// <summary>Takes the classic indicators of queues: bit i stands for queue i.</summary>
    public ulong TakeQueueIndicators() => TakeIndicators(IndicatorsAt);

    /// <summary>Takes the indicators of configuration changes: bit 0.</summary>
    public ulong TakeConfigIndicators() => TakeIndicators(IndicatorsAt + sizeof(ulong));

    /// <inheritdoc/>
    public override ushort ReadSizeMax(int index)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)index);
        Run(CcwCommand.ReadQueueConfig, bytes);
        return BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">The device refuses it.</exception>
    public override void EnableQueue(int index, in QueueAreas areas)
    {
        Span<byte> bytes = stackalloc byte[32];
        bytes.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(bytes, areas.Descriptors.Value);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[12..], (ushort)index);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[14..], areas.Size);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], areas.Driver.Value);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], areas.Device.Value);
        Run(CcwCommand.SetQueue, bytes);
    }

    /// <summary>Takes a queue back.</summary>
    /// <param name="index">Which queue.</param>
    public void DisableQueue(int index) => EnableQueue(index, default);

    /// <inheritdoc/>
    protected override void WriteKick(int index, ushort nextOffset, bool nextWrap)
    {
        bool hasData = Features.Contains(CoreFeature.NotificationData);
        _cookie = _access.Notify(
            hasData ? NotificationData((ushort)index, nextOffset, nextWrap) : (uint)index,
            _cookie
        );
    }

    /// <inheritdoc/>
    /// <remarks>A status the device does not take stays as it was (VIRTIO 1.4 §4.3.2.4.1).</remarks>
    public override void WriteStatus(DeviceStatus status)
    {
        if (status == DeviceStatus.None)
        {
            Run(CcwCommand.Reset, []);
            _status = DeviceStatus.None;
            return;
        }

        Span<byte> value = [(byte)status];
        if (TryRun(CcwCommand.WriteStatus, value).IsGood)
        {
            _status = status;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The space up to the last byte comes with one command, so that its fields fit together.</remarks>
    public override void ReadConfig(int offset, Span<byte> destination)
    {
        byte[] bytes = new byte[offset + destination.Length];
        Run(CcwCommand.ReadConfig, bytes);
        bytes.AsSpan(offset).CopyTo(destination);
    }

    /// <inheritdoc/>
    protected override void WriteConfigFields(int offset, ReadOnlySpan<byte> source)
    {
        byte[] bytes = new byte[offset + source.Length];
        Run(CcwCommand.ReadConfig, bytes);
        source.CopyTo(bytes.AsSpan(offset));
        Run(CcwCommand.WriteConfig, bytes);
    }

    /// <inheritdoc/>
    protected override uint ReadDeviceFeatures(uint word)
    {
        Span<byte> bytes = [0, 0, 0, 0, (byte)word];
        Run(CcwCommand.ReadFeatures, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <inheritdoc/>
    protected override void WriteDriverFeatures(uint word, uint features)
    {
        Span<byte> bytes = [0, 0, 0, 0, (byte)word];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, features);
        Run(CcwCommand.WriteFeatures, bytes);
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">Always: single queues cannot be reset over channel I/O.</exception>
    protected override void WriteQueueReset(int index) =>
        throw new DeviceException("single queues cannot be reset over channel I/O");

    /// <inheritdoc/>
    protected override bool IsQueueResetting(int index) => false;

    /// <inheritdoc/>
    protected override uint ReadGeneration() => 0;

    /// <inheritdoc/>
    protected override void ReadConfigField(int offset, Span<byte> destination) => ReadConfig(offset, destination);

    /// <inheritdoc/>
    protected override void WriteConfigField(int offset, ReadOnlySpan<byte> source) =>
        WriteConfigFields(offset, source);

    /// <inheritdoc/>
    protected override void OnNegotiated() => _setUpIndicators();

    private void Use(Action setUp)
    {
        setUp();
        _setUpIndicators = setUp;
    }

    private void SetUpClassic()
    {
        Span<byte> address = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(address, _scratch + IndicatorsAt);
        Run(CcwCommand.SetIndicators, address);
        UseConfigIndicators();
    }

    private void SetUpAdapter(GuestAddress summary, GuestAddress area, ulong bit, byte subclass)
    {
        Span<byte> bytes = stackalloc byte[25];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, summary.Value);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], area.Value);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], bit);
        bytes[24] = subclass;
        Run(CcwCommand.SetAdapterIndicators, bytes);
        UseConfigIndicators();
    }

    private int ChooseRevision()
    {
        Span<byte> bytes = stackalloc byte[4];
        for (ushort revision = CcwDevice.RevisionMax; revision > 0; revision--)
        {
            bytes.Clear();
            BinaryPrimitives.WriteUInt16BigEndian(bytes, revision);
            if (TryRun(CcwCommand.SetRevision, bytes).IsGood)
            {
                return revision;
            }
        }

        throw new DeviceException("the device knows no revision from 1 on");
    }

    private void UseConfigIndicators()
    {
        Span<byte> address = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(address, _scratch + IndicatorsAt + sizeof(ulong));
        Run(CcwCommand.SetConfigIndicators, address);
    }

    private ulong TakeIndicators(int offset)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        ReadOnlySpan<byte> zeros = stackalloc byte[sizeof(ulong)];
        Check(_memory.TryRead(new(_scratch + (uint)offset), bytes));
        Check(_memory.TryWrite(new(_scratch + (uint)offset), zeros));
        return BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }

    private void Run(CcwCommand command, Span<byte> data)
    {
        ChannelResult result = TryRun(command, data);
        if (!result.IsGood)
        {
            throw new DeviceException(
                $"{command} ended with unit status {result.Unit}, channel status {result.Channel}"
            );
        }
    }

    private ChannelResult TryRun(CcwCommand command, Span<byte> data)
    {
        Span<byte> word = stackalloc byte[ChannelWord.LengthBytes];
        new ChannelWord(command, 0, (ushort)data.Length, _scratch + DataAt).Write(word);
        Check(_memory.TryWrite(new(_scratch), word) && _memory.TryWrite(new(_scratch + DataAt), data));
        ChannelResult result = _access.Start(new(_scratch));
        Check(_memory.TryRead(new(_scratch + DataAt), data));
        return result;
    }

    private static void Check(bool isMemory)
    {
        if (!isMemory)
        {
            throw new DeviceException("the driver's scratch memory is not all there");
        }
    }
}
