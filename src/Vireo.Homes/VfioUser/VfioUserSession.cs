using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
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
internal sealed partial class VfioUserSession : IDisposable
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
