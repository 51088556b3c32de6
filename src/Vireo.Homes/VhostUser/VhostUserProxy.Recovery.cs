using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <content>Watching the connection, and what happens when it ends.</content>
public sealed partial class VhostUserProxy : ILoopWatcher
{
    /// <summary>Bytes of a packed ring's in-flight region up to its used indices (<c>QueueRegionPacked</c>).</summary>
    private const int PackedHeaderBytes = 32;

    /// <summary>Bytes of one entry of that region (<c>DescStatePacked</c>).</summary>
    private const int PackedEntryBytes = 32;

    /// <summary>What the region of each queue is rounded up to, in every implementation known.</summary>
    private const int RegionAlignment = 64;

    private LoopWatch? _socketWatch;
    private LoopWatch? _requestWatch;

    /// <summary>Tries to reach the back-end again; null while it is there.</summary>
    private LoopTimer? _recovery;

    /// <summary>When the back-end went away; a time stamp.</summary>
    private long _lostSince;

    /// <summary>Whether requests were in flight then that no record was kept of.</summary>
    private bool _isWorkLost;

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if (ReferenceEquals(watch, _requestWatch))
        {
            _frontEnd.HandleRequests();
            if (_frontEnd.RequestHandle is null)
            {
                _requestWatch.Dispose();
                _requestWatch = null;
            }
        }
        else if (ReferenceEquals(watch, _socketWatch))
        {
            // Nobody asked for anything, so whatever comes is the end, or wrong.
            _frontEnd.Dispose();
            OnLost("the back-end has closed the connection, or sent what nobody asked for");
        }
    }

    /// <summary>Where a ring stands when its back-end has gone and cannot say.</summary>
    /// <remarks>
    /// A split ring shows it itself. The used index of a packed ring is in the in-flight region; without one it is unknown, and the
    /// ring can only go on if it never ran.
    /// </remarks>
    private QueueState StateAfterLoss(in QueueSetup setup)
    {
        if (_features.Contains(CoreFeature.RingPacked))
        {
            return ReadPackedState(setup.Index) ?? setup.State;
        }

        ushort used = ReadIndex(setup.Areas.Device);
        return new(used, used);
    }

    private ushort ReadIndex(GuestAddress area)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        GuestAddress index = new(area.Value + SplitRing.IndexOffset);
        return _memory!.TryRead(index, bytes) ? Wire.Read<Le16>(bytes) : (ushort)0;
    }

    /// <summary>Reads where a packed ring stood at the last publication that its back-end recorded.</summary>
    private QueueState? ReadPackedState(int index)
    {
        if (_inflight is not { } inflight)
        {
            return null;
        }

        int regionBytes = PackedHeaderBytes + PackedEntryBytes * inflight.Description.QueueSize;
        long stride = (regionBytes + RegionAlignment - 1) / RegionAlignment * RegionAlignment;
        long start = (long)inflight.Description.FileOffset + stride * index;
        Span<byte> header = stackalloc byte[PackedHeaderBytes];
        // Read, not mapped: whoever made the file can cut it.
        if (!TryReadFile(inflight.File, start, header))
        {
            return null;
        }

        const int OldUsedIndexOffset = 18;
        const int OldUsedWrapOffset = 21;
        ushort used = Wire.Read<Le16>(header[OldUsedIndexOffset..]);
        bool wrap = header[OldUsedWrapOffset] != 0;
        return used < inflight.Description.QueueSize ? new(used, used, wrap, wrap) : null;
    }

    private static bool TryReadFile(SafeFileHandle file, long offset, Span<byte> destination)
    {
        try
        {
            return RandomAccess.Read(file, destination, offset) == destination.Length;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void BeginWatches()
    {
        if (_loop is null)
        {
            return;
        }

        _frontEnd.ConfigChanged = () => _loop.Post(() => _host?.NotifyConfigChanged());
        _socketWatch = _loop.Watch((SafeFileHandle)_frontEnd.Handle, LoopEvents.Readable, this);
        if (_frontEnd.RequestHandle is SafeFileHandle requests)
        {
            _requestWatch = _loop.Watch(requests, LoopEvents.Readable, this);
        }
    }

    private void EndWatches()
    {
        _socketWatch?.Dispose();
        _socketWatch = null;
        _requestWatch?.Dispose();
        _requestWatch = null;
    }

    private void OnLost(string reason)
    {
        if (_isDisposed || _recovery is not null || _frontEnd.IsConnected)
        {
            return;
        }

        EndWatches();
        if (_path is null || _loop is null || _options.ReconnectDelay is not { } delay)
        {
            GiveUp(reason);
            return;
        }

        _log.BackEndIsAway(_path, reason);
        _lostSince = Stopwatch.GetTimestamp();
        // Now, not later: what the driver submits from here on nobody has begun.
        _isWorkLost = _inflight is null && HasUnfinished();
        _recovery = _loop.StartTimer(TimeSpan.Zero, delay, Recover);
    }

    /// <summary>Tries to reach the back-end, and tells it everything anew.</summary>
    private void Recover()
    {
        try
        {
            var next = VhostUserFrontEnd.Connect(_path!, _options.Connection);
            if (RefusalOf(next) is { } refusal)
            {
                next.Dispose();
                EndRecovery();
                GiveUp(refusal);
                return;
            }

            Continue(next);
            EndRecovery();
            _log.BackEndIsBack(_path!, Stopwatch.GetElapsedTime(_lostSince).TotalMilliseconds);
        }
        catch (Exception exception) when (exception is LinuxException or DeviceException)
        {
            bool isTime =
                _options.ReconnectTimeout != Timeout.InfiniteTimeSpan
                && Stopwatch.GetElapsedTime(_lostSince) >= _options.ReconnectTimeout;
            if (isTime)
            {
                EndRecovery();
                GiveUp($"the back-end did not come back: {exception.Message}");
            }
        }
    }

    private void Continue(VhostUserFrontEnd next)
    {
        try
        {
            _frontEnd = next;
            _isMemoryShared = false;
            if (_isAccepted)
            {
                Negotiate(next, _features);
            }

            RestartRings(next);
            BeginWatches();
        }
        catch
        {
            EndWatches();
            next.Dispose();
            throw;
        }
    }

    private void RestartRings(VhostUserFrontEnd next)
    {
        bool isRunning = false;
        foreach (QueueSetup? running in _running)
        {
            if (running is not { } setup)
            {
                continue;
            }

            Prepare();
            StartRing(in setup, StateAfterLoss(in setup));
            isRunning = true;
        }

        if (!isRunning)
        {
            return;
        }

        next.WriteStatus(
            DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk
        );
        // The old back-end may have taken kicks it did not follow, and published without calling.
        foreach (QueueSetup? setup in _running)
        {
            setup?.Kick?.Notify();
            setup?.Call?.Notify();
        }
    }

    /// <summary>Whether who answers is able to take over.</summary>
    /// <returns>Why not, in a sentence; null when it is.</returns>
    private string? RefusalOf(VhostUserFrontEnd next)
    {
        if (!_features.IsSubsetOf(next.OfferedFeatures))
        {
            return $"the back-end that came back does not offer features {_features.Without(next.OfferedFeatures)} any more";
        }

        if (_inflight is not null && !next.Uses(ProtocolFeature.InflightDescriptor))
        {
            return "the back-end that came back cannot go on with the requests of its predecessor";
        }

        return _isWorkLost ? "requests were in flight, and the back-end kept no record of them" : null;
    }

    /// <summary>Whether a ring that runs has something in flight that cannot be told from what was completed.</summary>
    /// <remarks>With IN_ORDER what is in flight is what follows the used index, so a split ring needs no record.</remarks>
    private bool HasUnfinished()
    {
        bool isPacked = _features.Contains(CoreFeature.RingPacked);
        if (!isPacked && _features.Contains(CoreFeature.InOrder))
        {
            return false;
        }

        foreach (QueueSetup? running in _running)
        {
            if (running is not { } setup)
            {
                continue;
            }

            if (isPacked || ReadIndex(setup.Areas.Device) != ReadIndex(setup.Areas.Driver))
            {
                return true;
            }
        }

        return false;
    }

    private void EndRecovery()
    {
        _recovery?.Dispose();
        _recovery = null;
    }

    private void GiveUp(string reason)
    {
        _log.BackEndIsLost(reason);
        _host?.ReportLoss(reason);
    }
}
