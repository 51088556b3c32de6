using System.Buffers.Binary;
using Vireo.Core.Memory;

namespace Vireo.Core.Transports.Ccw;

/// <summary>What each channel command does (VIRTIO 1.4 §4.3.2). Numbers are big-endian, features excepted.</summary>
internal sealed class CcwCommands
{
    /// <summary>How many queues classic indicators have bits for.</summary>
    public const int ClassicQueuesMax = 64;

    /// <summary>Sense byte 0: the device rejects the command.</summary>
    private const byte CommandReject = 0x80;

    private const int SenseBytes = 32;
    private const int SenseIdBytes = 7;
    private const int FeatureBytes = 5;
    private const int QueueConfigBytes = 4;
    private const int QueueInfoBytes = 32;
    private const int IndicatorBytes = 8;
    private const int AdapterBytes = 25;
    private const int RevisionBytes = 4;

    private const byte SubclassMax = 7;

    /// <summary>The longest data any command moves, configuration spaces excepted.</summary>
    private const int DataBytesMax = QueueInfoBytes;

    private readonly TransportCore _core;
    private readonly CcwDevice _device;
    private readonly byte[] _config;

    /// <summary>The revision the driver has chosen; 0 until it has.</summary>
    private int _revision;

    /// <summary>What BASIC SENSE says.</summary>
    private byte _sense;

    /// <summary>Makes the commands of a device.</summary>
    /// <param name="core">What all transports share.</param>
    /// <param name="device">The device, for its indicators.</param>
    public CcwCommands(TransportCore core, CcwDevice device)
    {
        _core = core;
        _device = device;
        _config = new byte[core.ConfigLengthBytes];
    }

    /// <summary>The revision is unset from now on.</summary>
    public void ForgetRevision() => _revision = 0;

    /// <summary>Executes a command.</summary>
    /// <param name="command">Which.</param>
    /// <param name="data">Where its data lies.</param>
    /// <param name="isLengthSuppressed">Whether another length than the command's is not wrong.</param>
    public CcwOutcome Execute(CcwCommand command, ChannelData data, bool isLengthSuppressed)
    {
        CcwOutcome outcome = command switch
        {
            CcwCommand.NoOperation => CcwOutcome.Done(data.Count),
            CcwCommand.BasicSense => Sense(data, isLengthSuppressed),
            CcwCommand.SenseId => SenseId(data, isLengthSuppressed),
            CcwCommand.SetRevision => SetRevision(data, isLengthSuppressed),
            _ when _revision == 0 => CcwOutcome.Rejected,
            CcwCommand.Reset => Reset(),
            CcwCommand.ReadConfig => ReadConfig(data, isLengthSuppressed),
            CcwCommand.WriteConfig => WriteConfig(data, isLengthSuppressed),
            _ => ExecuteFixed(command, data, isLengthSuppressed),
        };
        // What was wrong is kept for BASIC SENSE until the next command.
        _sense = outcome.Unit.HasFlag(UnitStatus.UnitCheck) ? CommandReject : (byte)0;
        return outcome;
    }

    /// <summary>The commands whose data has one length.</summary>
    private CcwOutcome ExecuteFixed(CcwCommand command, ChannelData data, bool isLengthSuppressed)
    {
        int length = command switch
        {
            CcwCommand.WriteFeatures or CcwCommand.ReadFeatures => FeatureBytes,
            CcwCommand.SetQueue => QueueInfoBytes,
            CcwCommand.ReadQueueConfig => QueueConfigBytes,
            CcwCommand.WriteStatus => 1,
            CcwCommand.ReadStatus when _revision >= 2 => 1,
            CcwCommand.SetIndicators or CcwCommand.SetConfigIndicators => IndicatorBytes,
            CcwCommand.SetAdapterIndicators => AdapterBytes,
            _ => 0,
        };
        if (length == 0)
        {
            return CcwOutcome.Rejected;
        }

        if (data.Count != length && (!isLengthSuppressed || data.Count < length))
        {
            return isLengthSuppressed ? CcwOutcome.Rejected : CcwOutcome.IncorrectLength(0);
        }

        Span<byte> bytes = stackalloc byte[DataBytesMax];
        bytes = bytes[..length];
        if (!data.TryRead(bytes))
        {
            return CcwOutcome.Protection;
        }

        bool isDone = command switch
        {
            CcwCommand.WriteFeatures => WriteFeatures(bytes),
            CcwCommand.ReadFeatures => ReadFeatures(bytes),
            CcwCommand.SetQueue => SetQueue(bytes),
            CcwCommand.ReadQueueConfig => ReadQueueConfig(bytes),
            CcwCommand.WriteStatus => _core.TryWriteStatus(bytes[0]),
            CcwCommand.ReadStatus => ReadStatus(bytes),
            CcwCommand.SetIndicators => SetIndicators(bytes),
            CcwCommand.SetConfigIndicators => SetConfigIndicators(bytes),
            _ => SetAdapterIndicators(bytes),
        };
        if (!isDone)
        {
            return CcwOutcome.Rejected;
        }

        bool isRead = command is CcwCommand.ReadFeatures or CcwCommand.ReadQueueConfig or CcwCommand.ReadStatus;
        return isRead && !data.TryWrite(bytes) ? CcwOutcome.Protection : CcwOutcome.Done(length);
    }

    /// <summary>Gives the driver what a command of variable length reads.</summary>
    private static CcwOutcome Give(ReadOnlySpan<byte> bytes, ChannelData data, bool isLengthSuppressed)
    {
        int length = Math.Min(bytes.Length, data.Count);
        if (!data.TryWrite(bytes[..length]))
        {
            return CcwOutcome.Protection;
        }

        return data.Count == bytes.Length || isLengthSuppressed
            ? CcwOutcome.Done(length)
            : CcwOutcome.IncorrectLength(length);
    }

    private CcwOutcome Sense(ChannelData data, bool isLengthSuppressed)
    {
        Span<byte> bytes = stackalloc byte[SenseBytes];
        bytes.Clear();
        bytes[0] = _sense;
        return Give(bytes, data, isLengthSuppressed);
    }

    private CcwOutcome SenseId(ChannelData data, bool isLengthSuppressed)
    {
        Span<byte> bytes = stackalloc byte[SenseIdBytes];
        bytes.Clear();
        bytes[0] = byte.MaxValue;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[1..], CcwDevice.ControlUnitType);
        bytes[3] = (byte)_core.Device.Type;
        return Give(bytes, data, isLengthSuppressed);
    }

    private CcwOutcome SetRevision(ChannelData data, bool isLengthSuppressed)
    {
        Span<byte> bytes = stackalloc byte[RevisionBytes];
        if (data.Count < RevisionBytes)
        {
            return isLengthSuppressed ? CcwOutcome.Rejected : CcwOutcome.IncorrectLength(0);
        }

        if (!data.TryRead(bytes))
        {
            return CcwOutcome.Protection;
        }

        int revision = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        bool isKnown = revision is >= 1 and <= CcwDevice.RevisionMax && length == 0;
        if (!isKnown || _revision != 0 && _revision != revision)
        {
            return CcwOutcome.Rejected;
        }

        if (data.Count != RevisionBytes && !isLengthSuppressed)
        {
            return CcwOutcome.IncorrectLength(0);
        }

        _revision = revision;
        return CcwOutcome.Done(RevisionBytes);
    }

    private CcwOutcome Reset()
    {
        _core.Reset();
        return CcwOutcome.Done(0);
    }

    /// <summary>Drivers read a part from the beginning, too.</summary>
    private CcwOutcome ReadConfig(ChannelData data, bool isLengthSuppressed)
    {
        _core.ReadConfig(0, _config);
        int length = Math.Min(data.Count, _config.Length);
        if (!data.TryWrite(_config.AsSpan(0, length)))
        {
            return CcwOutcome.Protection;
        }

        return data.Count <= _config.Length || isLengthSuppressed
            ? CcwOutcome.Done(length)
            : CcwOutcome.IncorrectLength(length);
    }

    private CcwOutcome WriteConfig(ChannelData data, bool isLengthSuppressed)
    {
        if (data.Count > _config.Length && !isLengthSuppressed)
        {
            return CcwOutcome.IncorrectLength(0);
        }

        Span<byte> bytes = _config.AsSpan(0, Math.Min(data.Count, _config.Length));
        if (!data.TryRead(bytes))
        {
            return CcwOutcome.Protection;
        }

        _core.WriteConfig(0, bytes);
        return CcwOutcome.Done(bytes.Length);
    }

    private bool ReadFeatures(Span<byte> bytes)
    {
        _core.DeviceFeatureSelect = bytes[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, _core.DeviceFeatureWord);
        return true;
    }

    private bool WriteFeatures(ReadOnlySpan<byte> bytes)
    {
        _core.DriverFeatureSelect = bytes[4];
        _core.DriverFeatureWord = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        return true;
    }

    private bool ReadQueueConfig(Span<byte> bytes)
    {
        _core.QueueSelect = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], _core.Selected?.SizeMax ?? 0);
        return true;
    }

    private bool SetQueue(ReadOnlySpan<byte> bytes)
    {
        _core.QueueSelect = BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]);
        if (_core.Selected is not { } queue)
        {
            return false;
        }

        ulong descriptors = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        ushort size = BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        if (descriptors == 0 && size == 0)
        {
            // How drivers give a queue back.
            _core.Disable(queue);
            return true;
        }

        if (queue.IsEnabled)
        {
            return false;
        }

        queue.Reset();
        _core.WriteSize(queue, size);
        queue.Descriptors = descriptors;
        queue.Driver = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        queue.Device = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
        if (queue.Size != size)
        {
            return false;
        }

        _core.Enable(queue);
        return true;
    }

    private bool ReadStatus(Span<byte> bytes)
    {
        bytes[0] = (byte)_core.Lifecycle.Status;
        return true;
    }

    private bool SetIndicators(ReadOnlySpan<byte> bytes)
    {
        if (_device.Indicators.Adapter is not null || _core.QueueCount > ClassicQueuesMax)
        {
            return false;
        }

        _device.Indicators = _device.Indicators with { Queues = Address(bytes) };
        return true;
    }

    private bool SetConfigIndicators(ReadOnlySpan<byte> bytes)
    {
        _device.Indicators = _device.Indicators with { Config = Address(bytes) };
        return true;
    }

    private bool SetAdapterIndicators(ReadOnlySpan<byte> bytes)
    {
        ulong bit = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        GuestAddress? area = Address(bytes[8..]);
        byte subclass = bytes[24];
        // An area that would wrap around the end of all addresses is none.
        bool isPlace = area is null || bit <= long.MaxValue && area.Value.Value <= long.MaxValue;
        if (_device.Indicators.Queues is not null || subclass > SubclassMax || !isPlace)
        {
            return false;
        }

        _device.Indicators = _device.Indicators with
        {
            Adapter = area,
            AdapterBit = bit,
            Summary = new(BinaryPrimitives.ReadUInt64BigEndian(bytes)),
            Subclass = subclass,
        };
        return true;
    }

    /// <summary>An address as the driver gives it; 0 takes the indicators away. One within the last bytes of all is none.</summary>
    private static GuestAddress? Address(ReadOnlySpan<byte> bytes)
    {
        ulong address = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        return address is 0 or > ulong.MaxValue - sizeof(ulong) ? null : new GuestAddress(address);
    }
}
