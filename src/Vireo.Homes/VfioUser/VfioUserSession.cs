using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Homes.Peers;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser;

/// <summary>What one client has set up, and what is done with its commands.</summary>
/// <remarks>
/// Commands are done in the order in which they come, each before the next is looked at. One that is well-formed and cannot
/// be done is answered with an error; one that leaves no doubt that the client is broken ends the connection. Control thread.
/// </remarks>
internal sealed class VfioUserSession : IDisposable
{
    private const ushort MajorVersion = 0;
    private const uint CanReset = 1;
    private const uint IsPci = 2;
    private const uint ReadWrite = 3;
    private const uint UnmapAll = 2;

    /// <summary>Length of the configuration space: that of PCI Express, whose extended part is empty.</summary>
    private const ulong ConfigSpaceBytes = 4096;

    /// <summary>Length of one of several writes in a message.</summary>
    private const int WriteEntryBytes = 24;

    private readonly ServedFunction _served;
    private readonly MessageSocket _socket;
    private readonly ILogger _log;
    private readonly DmaTable _memory = new();
    private readonly Reply _reply = new();
    private readonly Migration _migration;

    /// <summary>Which pages the device has written; null while nobody wants to know.</summary>
    private WriteLog? _writes;

    private readonly EventLoop _control;
    private readonly Action<string> _onBroken;

    /// <summary>Reaches memory that is not mapped; null until the client has said what it can do.</summary>
    private DmaMessages? _distant;

    /// <summary>What the client can do; null until it has said so.</summary>
    private Capabilities? _client;

    /// <summary>Whether it was said that memory is not shared.</summary>
    private bool _hasUnsharedMemory;

    /// <summary>Begins a session.</summary>
    /// <param name="served">The function.</param>
    /// <param name="socket">The connection; stays the caller's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="onBroken">Told why the connection has to end, when that is found out outside of a message.</param>
    /// <param name="log">Where it is said what the client does.</param>
    public VfioUserSession(
        ServedFunction served,
        MessageSocket socket,
        EventLoop control,
        Action<string> onBroken,
        ILogger log
    )
    {
        _control = control;
        _onBroken = onBroken;
        _served = served;
        _socket = socket;
        _log = log;
        _migration = new(served.Function);
    }

    private PciFunction Function => _served.Function;

    /// <summary>Handles the message that has been received.</summary>
    /// <exception cref="ProtocolException">The client is broken, or does not read its answers.</exception>
    public void Handle()
    {
        Message message = _socket.Message;
        if (message.IsAnswer)
        {
            // Only what is awaited comes this far.
            _distant!.Handle(message);
            return;
        }

        Errno error = Errno.None;
        _reply.Begin();
        try
        {
            Execute(message);
        }
        catch (RefusalException exception)
        {
            error = exception.Error;
            _log.Refused(message.Header.Command.ToString(), error.ToString(), exception.Message);
        }
        finally
        {
            message.CloseDescriptors();
        }

        if (message.WantsReply)
        {
            // The answer first: with an error it carries no descriptors.
            ReadOnlySpan<byte> bytes = _reply.Complete(message.Header, (uint)error);
            _socket.Send(bytes, _reply.Descriptors);
        }
    }

    /// <summary>Ends the session: the device reaches neither memory nor client any more.</summary>
    public void Dispose()
    {
        bool isCutOff = _distant is not null && _distant.Close();
        _served.Park();
        // What queues in distant memory had finished while they stopped is lost, too.
        if (isCutOff || _served.HasWritesInFlight)
        {
            Function.Lifecycle.MarkNeedsReset("a client has gone that was not told of all requests that were done");
        }

        _served.Distant = null;
        _migration.Reset();
        _writes?.Dispose();
        _writes = null;
        Release(_memory.RemoveAll());
    }

    private static void Release(List<DmaRegion> regions)
    {
        foreach (DmaRegion region in regions)
        {
            region.Dispose();
        }
    }

    private void Execute(Message message)
    {
        if (_client is null && message.Header.Command != Command.Version)
        {
            throw new ProtocolException($"{message.Header.Command} came before a version was agreed on");
        }

        if (message.Header.Command is not (Command.DmaMap or Command.DeviceSetIrqs))
        {
            message.RefuseDescriptors();
        }

        switch (message.Header.Command)
        {
            case Command.Version:
                Agree(message);
                break;
            case Command.DmaMap:
                Map(message);
                break;
            case Command.DmaUnmap:
                Unmap(message.Read<DmaUnmapRequest>());
                break;
            case Command.DeviceGetInfo:
                DescribeDevice(message.Read<DeviceInfo>());
                break;
            case Command.DeviceGetRegionInfo:
                DescribeRegion(message.Read<RegionInfo>());
                break;
            case Command.DeviceGetRegionIoFds:
                ShareKicks(message.Read<RegionIoFds>());
                break;
            case Command.DeviceGetIrqInfo:
                DescribeInterrupts(message.Read<IrqInfo>());
                break;
            case Command.DeviceSetIrqs:
                SetInterrupts(message);
                break;
            case Command.RegionRead:
                ReadRegion(message.Read<RegionAccess>());
                break;
            case Command.RegionWrite:
                WriteRegion(message.Read<RegionAccess>(), message.Payload);
                break;
            case Command.RegionWriteMulti:
                WriteRegions(message.Payload);
                break;
            case Command.DeviceReset:
                Function.Reset();
                _migration.Reset();
                _served.GoOnIfMemoryIsThere();
                _served.Unpark();
                break;
            case Command.DeviceFeature:
                ServeFeature(message.Read<FeatureRequest>(), message.Payload);
                break;
            case Command.MigrationDataRead:
                ReadState(message.Read<MigrationDataHeader>());
                break;
            case Command.MigrationDataWrite:
                WriteState(message.Read<MigrationDataHeader>(), message.Payload);
                break;
            default:
                throw new RefusalException(Errno.EOPNOTSUPP, "the command is not known");
        }
    }

    private void Agree(Message message)
    {
        if (_client is not null)
        {
            throw new RefusalException("a version was agreed on before");
        }

        VersionHeader version = message.Read<VersionHeader>();
        if (version.Major != MajorVersion)
        {
            throw new ProtocolException(
                $"version {version.Major}.{version.Minor} came, where {MajorVersion} is spoken"
            );
        }

        var client = Capabilities.Parse(message.Payload[Wire.SizeOf<VersionHeader>()..]);
        _client = client;
        _distant = new(_socket, _memory, _control, client.TransferBytesMax, _onBroken, _log);
        _served.Distant = _distant;
        _socket.ExpectsAnswer = _distant.Expects;
        _reply.Append(new VersionHeader { Major = MajorVersion });
        Capabilities.AppendOurs(_reply, client);
    }

    private void Map(Message message)
    {
        DmaMapRequest request = message.Read<DmaMapRequest>();
        if (message.DescriptorCount > 1)
        {
            throw new RefusalException($"{message.DescriptorCount} descriptors came for one range of memory");
        }

        SafeFileHandle? file = message.DescriptorCount == 1 ? message.TakeDescriptor(0) : null;
        DmaRegion region = _memory.Add(request, file);
        ShowMemory();
        if (!region.IsMapped && region.IsWritable && !_hasUnsharedMemory)
        {
            // ROMs come without files and are of no use to a device; RAM that does may be a mistake in the client's set-up. Firmware has it
            // mapped in ever other pieces: once is enough.
            _hasUnsharedMemory = true;
            _log.NotShared(
                $"0x{region.Address:x}",
                region.LengthBytes,
                region.IsReachable ? "reached by messages, slowly" : "out of reach"
            );
        }
    }

    private void ShowMemory()
    {
        _distant!.Log = _writes?.Log;
        _served.SetMemory(_memory.ToGuestMemory(_distant, _writes?.Log));
    }

    private void Unmap(DmaUnmapRequest request)
    {
        List<DmaRegion> removed =
            (request.Flags & UnmapAll) != 0
                ? _memory.RemoveAll()
                : [_memory.Remove(request.Address, request.LengthBytes)];
        // Before the memory goes: no queue may touch it once the client has its answer.
        ShowMemory();
        Release(removed);
        _reply.Append(in request);
    }

    private void DescribeDevice(DeviceInfo request)
    {
        CheckArgument<DeviceInfo>(request.ArgumentBytes);
        _reply.Append(
            new DeviceInfo
            {
                ArgumentBytes = (uint)Wire.SizeOf<DeviceInfo>(),
                Flags = CanReset | IsPci,
                RegionCount = RegionIndex.Count,
                IrqCount = IrqIndex.Count,
            }
        );
    }

    private void DescribeRegion(RegionInfo request)
    {
        CheckArgument<RegionInfo>(request.ArgumentBytes);
        if (request.Index >= RegionIndex.Count)
        {
            throw new RefusalException($"there is no region {request.Index}");
        }

        ulong length = RegionBytes(request.Index);
        _reply.Append(
            new RegionInfo
            {
                ArgumentBytes = (uint)Wire.SizeOf<RegionInfo>(),
                Flags = length > 0 ? ReadWrite : 0,
                Index = request.Index,
                LengthBytes = length,
            }
        );
    }

    /// <summary>Hands the kicks out, for clients that can route a register's writes past themselves.</summary>
    private void ShareKicks(RegionIoFds request)
    {
        CheckArgument<RegionIoFds>(request.ArgumentBytes);
        if (request.Index >= RegionIndex.Count || request.Flags != 0)
        {
            throw new RefusalException($"there is no region {request.Index} with flags 0x{request.Flags:x}");
        }

        bool hasKicks = _served.QueueCount > 0 && request.Index == (uint)Function.NotifyRegister(0).Bar;
        int count = hasKicks ? Math.Min(_served.QueueCount, _client!.Value.DescriptorsMax) : 0;
        uint length = (uint)(Wire.SizeOf<RegionIoFds>() + count * Wire.SizeOf<SubRegionIoFd>());
        _reply.Append(
            new RegionIoFds
            {
                ArgumentBytes = length,
                Index = request.Index,
                Count = (uint)count,
            }
        );
        if (request.ArgumentBytes < length)
        {
            return;
        }

        for (int index = 0; index < count; index++)
        {
            _reply.Append(
                new SubRegionIoFd { Offset = Function.NotifyRegister(index).Offset, DescriptorIndex = (uint)index }
            );
            _reply.Attach(_served.KickDescriptor(index).Handle);
        }
    }

    private void DescribeInterrupts(IrqInfo request)
    {
        CheckArgument<IrqInfo>(request.ArgumentBytes);
        IrqInfo info = _served.Interrupts.Describe(request.Index);
        info.ArgumentBytes = (uint)Wire.SizeOf<IrqInfo>();
        _reply.Append(in info);
    }

    private void SetInterrupts(Message message)
    {
        IrqSet set = message.Read<IrqSet>();
        if (_served.Interrupts.Apply(set, message))
        {
            // A client that came back waits for messages of requests that were made before it left.
            _served.Unpark();
        }
    }

    private void ReadRegion(RegionAccess access)
    {
        CheckAccess(access);
        _reply.Append(in access);
        Span<byte> data = _reply.Append((int)access.Count);
        if (access.Region == RegionIndex.Config)
        {
            Function.ReadConfig(access.Offset, data);
        }
        else
        {
            _served.Unpark();
            Function.ReadBar((int)access.Region, access.Offset, data);
        }
    }

    private void WriteRegion(RegionAccess access, ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> data = payload[Wire.SizeOf<RegionAccess>()..];
        if ((uint)data.Length != access.Count)
        {
            throw new RefusalException($"{data.Length} bytes of data came, where {access.Count} were announced");
        }

        Write(access, data);
        _reply.Append(in access);
    }

    private void WriteRegions(ReadOnlySpan<byte> payload)
    {
        if (
            !Wire.TryRead(payload, out ulong count)
            || (payload.Length - sizeof(ulong)) % WriteEntryBytes != 0
            || count != (ulong)((payload.Length - sizeof(ulong)) / WriteEntryBytes)
        )
        {
            throw new RefusalException($"{payload.Length} bytes of payload do not hold the writes they announce");
        }

        ReadOnlySpan<byte> rest = payload[sizeof(ulong)..];
        while (!rest.IsEmpty)
        {
            RegionAccess access = Wire.Read<RegionAccess>(rest);
            ReadOnlySpan<byte> data = rest[Wire.SizeOf<RegionAccess>()..WriteEntryBytes];
            if (access.Count > (uint)data.Length)
            {
                throw new RefusalException($"a write of {access.Count} bytes is among others, where 8 are the most");
            }

            Write(access, data[..(int)access.Count]);
            rest = rest[WriteEntryBytes..];
        }

        _reply.Append(in count);
    }

    private void Write(RegionAccess access, ReadOnlySpan<byte> data)
    {
        CheckAccess(access);
        if (access.Region == RegionIndex.Config)
        {
            Function.WriteConfig(access.Offset, data);
        }
        else
        {
            _served.Unpark();
            Function.WriteBar((int)access.Region, access.Offset, data);
        }

        // A driver that resets the device, or takes a queue back, wants nothing of the memory that is gone.
        _served.GoOnIfMemoryIsThere();
    }

    private void ServeFeature(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        uint index = request.Flags & FeatureRequest.IndexMask;
        uint method = request.Flags & ~FeatureRequest.IndexMask;
        bool canGet =
            index is MigrationFeature.Migration or MigrationFeature.DeviceState or MigrationFeature.LoggingReport;
        bool canSet =
            index is MigrationFeature.DeviceState or MigrationFeature.LoggingStart or MigrationFeature.LoggingStop;
        if (
            !canGet && !canSet
            || (method & FeatureRequest.Set) != 0 && !canSet
            || (method & FeatureRequest.Get) != 0 && !canGet
        )
        {
            throw new RefusalException(Errno.ENOTTY, $"feature {index} is not there, or cannot be used so");
        }

        switch (method)
        {
            case FeatureRequest.Get when index == MigrationFeature.LoggingReport:
                ReportWrites(request, payload[Wire.SizeOf<FeatureRequest>()..]);
                break;
            case FeatureRequest.Set when index == MigrationFeature.LoggingStart:
                StartLog(request, payload[Wire.SizeOf<FeatureRequest>()..]);
                break;
            case FeatureRequest.Set when index == MigrationFeature.LoggingStop:
                StopLog();
                _reply.Append(in request);
                break;
            case FeatureRequest.Get:
                request.ArgumentBytes = (uint)(Wire.SizeOf<FeatureRequest>() + sizeof(ulong));
                _reply.Append(in request);
                AppendFeature(index);
                break;
            case FeatureRequest.Set:
                ReadOnlySpan<byte> data = payload[Wire.SizeOf<FeatureRequest>()..];
                if (!Wire.TryRead(data, out MigrationStateData state))
                {
                    throw new RefusalException($"{data.Length} bytes are no migration state");
                }

                _migration.GoTo(state.State);
                UnparkIfRunning();
                payload.CopyTo(_reply.Append(payload.Length));
                break;
            case FeatureRequest.Probe:
            case FeatureRequest.Probe | FeatureRequest.Get:
            case FeatureRequest.Probe | FeatureRequest.Set:
            case FeatureRequest.Probe | FeatureRequest.Get | FeatureRequest.Set:
                payload.CopyTo(_reply.Append(payload.Length));
                break;
            default:
                throw new RefusalException($"flags 0x{request.Flags:x} ask for nothing that could be done");
        }
    }

    private void StartLog(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        if (_writes is not null)
        {
            throw new RefusalException(Errno.EBUSY, "what the device writes is being logged already");
        }

        _writes = WriteLog.Start(payload);
        ShowMemory();
        LoggingRequest answer = Wire.Read<LoggingRequest>(payload);
        answer.PageBytes = DirtyLog.PageBytes;
        _reply.Append(in request);
        _reply.Append(in answer);
        ReadOnlySpan<byte> ranges = payload[Wire.SizeOf<LoggingRequest>()..];
        ranges.CopyTo(_reply.Append(ranges.Length));
    }

    private void StopLog()
    {
        WriteLog log = _writes ?? throw new RefusalException("what the device writes is not being logged");
        _writes = null;
        ShowMemory();
        log.Dispose();
    }

    private void ReportWrites(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        WriteLog log = _writes ?? throw new RefusalException("what the device writes is not being logged");
        if (!Wire.TryRead(payload, out LoggingReport report))
        {
            throw new RefusalException($"{payload.Length} bytes do not say what is to be reported");
        }

        int length = log.ReportBytes(report);
        request.ArgumentBytes = (uint)(Wire.SizeOf<FeatureRequest>() + Wire.SizeOf<LoggingReport>() + length);
        _reply.Append(in request);
        _reply.Append(in report);
        log.Take(report, _reply.Append(length));
    }

    private void UnparkIfRunning()
    {
        if (_migration.IsRunning)
        {
            _served.Unpark();
        }
    }

    private void AppendFeature(uint index)
    {
        if (index == MigrationFeature.Migration)
        {
            _reply.Append(MigrationFeature.StopCopy | MigrationFeature.PreCopy);
        }
        else
        {
            _reply.Append(new MigrationStateData { State = _migration.State, Descriptor = -1 });
        }
    }

    private void ReadState(MigrationDataHeader header)
    {
        if (header.Count > MessageSocket.TransferBytesMax)
        {
            throw new RefusalException($"{header.Count} bytes are more than one message moves");
        }

        ReadOnlySpan<byte> data = _migration.Read((int)header.Count);
        header.Count = (uint)data.Length;
        header.ArgumentBytes = (uint)(Wire.SizeOf<MigrationDataHeader>() + data.Length);
        _reply.Append(in header);
        data.CopyTo(_reply.Append(data.Length));
    }

    private void WriteState(MigrationDataHeader header, ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> data = payload[Wire.SizeOf<MigrationDataHeader>()..];
        if ((uint)data.Length != header.Count)
        {
            throw new RefusalException($"{data.Length} bytes of state came, where {header.Count} were announced");
        }

        _migration.Write(data);
        _reply.Append(in header);
    }

    private void CheckAccess(RegionAccess access)
    {
        ulong length = access.Region < RegionIndex.Count ? RegionBytes(access.Region) : 0;
        if (
            access.Count > MessageSocket.TransferBytesMax
            || access.Offset > length
            || access.Count > length - access.Offset
        )
        {
            throw new RefusalException(
                $"{access.Count} bytes at 0x{access.Offset:x} of region {access.Region}, which has 0x{length:x}"
            );
        }
    }

    private ulong RegionBytes(uint index) =>
        index switch
        {
            < RegionIndex.Rom => Function.Bars[(int)index].LengthBytes,
            RegionIndex.Config => ConfigSpaceBytes,
            _ => 0,
        };

    private static void CheckArgument<T>(uint argumentBytes)
        where T : unmanaged
    {
        if (argumentBytes < (uint)Wire.SizeOf<T>())
        {
            throw new RefusalException(
                $"the client has room for {argumentBytes} bytes, and the answer has {Wire.SizeOf<T>()}"
            );
        }
    }
}
