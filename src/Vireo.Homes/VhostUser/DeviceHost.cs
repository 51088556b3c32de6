using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <summary>What the device knows of the home: its queues' loops, and whom to tell about changes and faults.</summary>
internal sealed class DeviceHost : IDeviceHost, ISharedMemoryHost, ISharedObjectHost
{
    /// <summary>The driver's memory while there is no driver.</summary>
    public static readonly MappedMemory NoMemory = new([]);

    private readonly QueueLoop[] _loops;
    private readonly Action _configChanged;

    /// <summary>Makes a host.</summary>
    /// <param name="control">The home's own loop.</param>
    /// <param name="loops">The loops that queues are dealt out to, in turn.</param>
    public DeviceHost(EventLoop control, QueueLoop[] loops)
    {
        Control = control;
        _loops = loops;
        _configChanged = () => Session?.OnConfigChanged();
    }

    /// <summary>The home's own loop.</summary>
    public EventLoop Control { get; }

    /// <summary>The front-end's session, or null. Touched on the control thread only.</summary>
    public VhostUserSession? Session { get; set; }

    /// <inheritdoc/>
    public IQueueLoop LoopFor(int queueIndex) => _loops[queueIndex % _loops.Length];

    /// <inheritdoc/>
    public void NotifyConfigChanged() => Control.Post(_configChanged);

    /// <inheritdoc/>
    // The session may have ended, and another begun, before the fault is looked at: it is that session's fault only.
    public void ReportFault(int queueIndex, QueueFault fault)
    {
        VhostUserSession? session = Session;
        Control.Post(() =>
        {
            if (session is not null && ReferenceEquals(session, Session))
            {
                session.OnFault(queueIndex, fault);
            }
        });
    }

    /// <inheritdoc/>
    public void ReportLoss(string reason) => Control.Post(() => Session?.OnLoss(reason));

    /// <inheritdoc/>
    public void MapShared(
        SharedRange place,
        SafeFileHandle file,
        ulong fileOffsetBytes,
        bool isWritable,
        Action<bool> done
    ) =>
        Control.Post(() =>
        {
            SharedMemoryMapping mapping = new()
            {
                RegionId = place.RegionId,
                FileOffset = fileOffsetBytes,
                RegionOffset = place.OffsetBytes,
                LengthBytes = place.LengthBytes,
                Flags = isWritable ? SharedMemoryMapping.Writable : 0,
            };
            Ask(
                ProtocolFeature.SharedMemory,
                BackEndRequest.SharedMemoryMap,
                Wire.Bytes(ref mapping),
                file,
                answer => done(answer.IsGood)
            );
        });

    /// <inheritdoc/>
    public void UnmapShared(SharedRange place, Action<bool> done) =>
        Control.Post(() =>
        {
            SharedMemoryMapping mapping = new()
            {
                RegionId = place.RegionId,
                RegionOffset = place.OffsetBytes,
                LengthBytes = place.LengthBytes,
            };
            Ask(
                ProtocolFeature.SharedMemory,
                BackEndRequest.SharedMemoryUnmap,
                Wire.Bytes(ref mapping),
                null,
                answer => done(answer.IsGood)
            );
        });

    /// <inheritdoc/>
    public void AddShared(Guid id) => Control.Post(() => Tell(BackEndRequest.SharedObjectAdd, id));

    /// <inheritdoc/>
    public void RemoveShared(Guid id) => Control.Post(() => Tell(BackEndRequest.SharedObjectRemove, id));

    /// <inheritdoc/>
    public void LookUpShared(Guid id, Action<SafeFileHandle?> done) =>
        Control.Post(() =>
            Ask(
                ProtocolFeature.SharedObject,
                BackEndRequest.SharedObjectLookup,
                id.ToByteArray(bigEndian: true),
                null,
                answer => done(answer.Descriptor)
            )
        );

    private void Tell(BackEndRequest request, Guid id) =>
        Ask(ProtocolFeature.SharedObject, request, id.ToByteArray(bigEndian: true), null, done: null);

    private void Ask(
        int feature,
        BackEndRequest request,
        ReadOnlySpan<byte> payload,
        SafeFileHandle? descriptor,
        Action<BackEndAnswer>? done
    )
    {
        if (Session is { } session)
        {
            session.Ask(feature, request, payload, descriptor, done);
        }
        else
        {
            done?.Invoke(BackEndAnswer.Failure);
        }
    }
}
