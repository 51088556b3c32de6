using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <summary>The rings of a connection: brings the device's queues to where the front-end's messages want them.</summary>
/// <remarks>
/// A ring has two states that know nothing of each other, started and enabled. A queue runs while its ring is both:
/// <code>
///              kick                     kick descriptor set      enable 1
///   stopped ----------> started          ring is known    --.  .-- (or no protocol features)
///      ^                   |                                 v v
///      '-------------------'                              queue runs
///        position asked for
/// </code>
/// </remarks>
internal sealed class RingSet : IDisposable
{
    private readonly DeviceLifecycle _lifecycle;
    private readonly DriverMemory _memory;
    private readonly NegotiatedFeatures _features;
    private readonly Ring[] _rings;

    /// <summary>Where requests in flight are recorded, or null.</summary>
    private InflightRecord? _inflight;

    /// <summary>Makes one ring for each queue of the device.</summary>
    public RingSet(DeviceLifecycle lifecycle, DriverMemory memory, NegotiatedFeatures features)
    {
        _lifecycle = lifecycle;
        _memory = memory;
        _features = features;
        _rings = new Ring[lifecycle.Device.Queues.Count];
        for (int index = 0; index < _rings.Length; index++)
        {
            _rings[index] = new(index);
        }
    }

    /// <summary>How many rings there are.</summary>
    public int Count => _rings.Length;

    /// <summary>A ring by the number in a message.</summary>
    /// <exception cref="ProtocolException">The device has no such queue.</exception>
    public Ring this[uint index] =>
        index < (uint)_rings.Length
            ? _rings[index]
            : throw new ProtocolException($"ring {index} was named, and the device has {_rings.Length}");

    /// <summary>Whether no queue may run now, whatever its ring says: memory is there, and must not be touched yet.</summary>
    public bool IsHeld { get; set; }

    /// <summary>Whether the rings are packed.</summary>
    public bool IsPacked => _lifecycle.Negotiated.Contains(CoreFeature.RingPacked);

    /// <summary>Whether the queue of a ring runs.</summary>
    public bool IsRunning(Ring ring) => _lifecycle.IsRunning(ring.Index);

    /// <summary>Sets a ring's size.</summary>
    public void SetSize(Ring ring, uint size)
    {
        ThrowIfRunning(ring);
        int sizeMax = _lifecycle.Device.Queues[ring.Index].SizeMax;
        if (size == 0 || size > (uint)sizeMax)
        {
            throw new ProtocolException($"ring {ring.Index} was given size {size}, and takes 1 to {sizeMax}");
        }

        ring.Size = (ushort)size;
        Update(ring);
    }

    /// <summary>Sets where a ring lies, also while it runs.</summary>
    public void SetAddress(Ring ring, VringAddress address)
    {
        bool isSame = ring.Address is { } known && Wire.Bytes(ref known).SequenceEqual(Wire.Bytes(ref address));
        if (!isSame)
        {
            Halt(ring);
            ring.Address = address;
            Update(ring);
        }
    }

    /// <summary>Sets where a ring begins.</summary>
    public void SetPosition(Ring ring, uint position)
    {
        ThrowIfRunning(ring);
        ring.Position = position;
    }

    /// <summary>Starts a ring, or gives it another kick while it runs.</summary>
    /// <param name="ring">The ring.</param>
    /// <param name="kick">The descriptor, which becomes the ring's; null to look at the ring all the time.</param>
    public void Start(Ring ring, EventFd? kick)
    {
        Halt(ring);
        ring.ReplaceKick(kick);
        ring.IsStarted = true;
        Update(ring);
    }

    /// <summary>A kick as a message: starts a ring that is stopped, and lets one that runs look.</summary>
    public void Kick(Ring ring)
    {
        if (!ring.IsStarted)
        {
            ring.UseMessages();
            ring.IsStarted = true;
            Update(ring);
        }

        ring.MessageKick?.Notify();
    }

    /// <summary>Calls by messages from now on, where there is no descriptor to call.</summary>
    /// <param name="call">Sends the message for a ring; run by any thread.</param>
    public void CallByMessages(Action<Ring> call)
    {
        foreach (Ring ring in _rings)
        {
            ring.Call.Otherwise = () => call(ring);
        }
    }

    /// <summary>Gives a ring another call, also while it runs.</summary>
    /// <param name="ring">The ring.</param>
    /// <param name="call">The descriptor, which becomes the ring's; null for no calls.</param>
    public void SetCall(Ring ring, EventFd? call)
    {
        // A device that calls by way of the signal finds the new descriptor there; one that handed it on has to begin anew.
        if (_lifecycle.Device is not EmulatedDevice)
        {
            Halt(ring);
        }

        // To be told that there is no descriptor means to want no messages in its place either.
        ring.Call.Otherwise = null;
        ring.Call.Replace(call);
        Update(ring);
    }

    /// <summary>Stops a ring.</summary>
    /// <returns>Where it stands.</returns>
    public uint Stop(Ring ring)
    {
        Halt(ring);
        ring.Stop();
        return ring.Position;
    }

    /// <summary>Stops a ring without waiting for requests that nobody works on; they are in the record of requests in flight.</summary>
    /// <returns>Where it stands.</returns>
    /// <exception cref="ProtocolException">There is no such record.</exception>
    public uint Suspend(Ring ring)
    {
        if (_inflight?.RegionOf(ring.Index, IsPacked) is null)
        {
            throw new ProtocolException(
                $"ring {ring.Index} cannot be stopped with requests in flight, because there is no record of them"
            );
        }

        TakePosition(ring, _lifecycle.SuspendQueue(ring.Index));
        ring.Stop();
        return ring.Position;
    }

    /// <summary>Enables or disables a ring.</summary>
    public void Enable(Ring ring, bool isEnabled)
    {
        ring.IsEnabled = isEnabled;
        Update(ring);
    }

    /// <summary>Enables all rings: the front-end takes no part in protocol features.</summary>
    public void EnableAll()
    {
        foreach (Ring ring in _rings)
        {
            Enable(ring, true);
        }
    }

    /// <summary>Disables all rings.</summary>
    public void DisableAll()
    {
        foreach (Ring ring in _rings)
        {
            Enable(ring, false);
        }
    }

    /// <summary>Halts all queues for a change of memory; the rings stay started and enabled.</summary>
    public void HaltAll()
    {
        foreach (Ring ring in _rings)
        {
            Halt(ring);
        }
    }

    /// <summary>Runs the queues of all rings that should run.</summary>
    /// <exception cref="ProtocolException">One cannot; those before it run.</exception>
    public void UpdateAll()
    {
        foreach (Ring ring in _rings)
        {
            Update(ring);
        }
    }

    /// <summary>Lets the queues that run look at their rings once more: a translation has come.</summary>
    public void LookAgain()
    {
        foreach (Ring ring in _rings)
        {
            ring.MessageKick?.Notify();
            if (IsRunning(ring) && ring.Kick is { } kick && (kick.IsPipe || !kick.Signal()))
            {
                // Only one end of a pipe is ours; a queue that starts looks at its ring, too.
                Halt(ring);
                Update(ring);
            }
        }
    }

    /// <summary>Takes another record of requests in flight. No queue runs.</summary>
    /// <param name="record">The record, which becomes this object's.</param>
    public void ReplaceInflight(InflightRecord record)
    {
        _inflight?.Dispose();
        _inflight = record;
    }

    /// <summary>Forgets what a reset forgets. No queue runs.</summary>
    public void Reset()
    {
        foreach (Ring ring in _rings)
        {
            ring.Reset();
        }
    }

    /// <summary>Tells the front-end that a ring is broken, if it gave a descriptor for that.</summary>
    /// <returns>Whether it did.</returns>
    public bool TrySignalError(int index)
    {
        _rings[index].Error?.Signal();
        return _rings[index].Error is not null;
    }

    /// <summary>Closes the descriptors of all rings. No queue runs.</summary>
    public void Dispose()
    {
        foreach (Ring ring in _rings)
        {
            ring.Dispose();
        }

        _inflight?.Dispose();
    }

    private void ThrowIfRunning(Ring ring)
    {
        if (IsRunning(ring))
        {
            throw new ProtocolException($"ring {ring.Index} cannot change its size or position while it runs");
        }
    }

    private void Update(Ring ring)
    {
        bool shouldRun = ring.ShouldRun && !IsHeld && _features.Accepted is not null;
        if (shouldRun && !IsRunning(ring))
        {
            Run(ring);
        }
        else if (!shouldRun)
        {
            Halt(ring);
        }
    }

    private void Halt(Ring ring)
    {
        TakePosition(ring, _lifecycle.StopQueue(ring.Index));
    }

    private void TakePosition(Ring ring, QueueState? stopped)
    {
        if (stopped is { } state)
        {
            ring.Position = RingPosition.Encode(state, IsPacked);
        }
    }

    private void Run(Ring ring)
    {
        VringAddress address = ring.Address!.Value;
        QueueAreas areas = new(
            ring.Size,
            Find(ring, "descriptor area", address.Descriptors),
            Find(ring, "driver area", address.Available),
            Find(ring, "device area", address.Used)
        );
        QueueSetup setup = new(
            ring.Index,
            areas,
            RingPosition.Decode(ring.Position, IsPacked),
            ring.Kick is { } descriptor ? new EventFdSignal(descriptor) : ring.MessageKick,
            ring.Call,
            _inflight?.RegionOf(ring.Index, IsPacked),
            LogOf(in areas, address)
        );
        try
        {
            _lifecycle.StartQueue(in setup);
        }
        catch (RingException exception) when (exception.IsTranslationPending)
        {
            // The translation was asked for; when it comes the ring is tried again.
        }
        catch (Exception exception) when (exception is RingException or DeviceException)
        {
            throw new ProtocolException($"ring {ring.Index} cannot run: {exception.Message}", exception);
        }
        catch (LinuxException exception)
        {
            throw new RefusalException($"ring {ring.Index} cannot run: {exception.Message}", exception);
        }
    }

    private GuestAddress Find(Ring ring, string area, ulong address) =>
        _memory.TryFindRing(address, out GuestAddress result)
            ? result
            : throw new ProtocolException($"the {area} of ring {ring.Index} is at {address:x}, in no memory region");

    /// <summary>Where writes into the ring are recorded; null when they are not.</summary>
    private RingLog? LogOf(in QueueAreas areas, VringAddress address)
    {
        bool isLogged = (address.Flags & VringAddress.LogUsed) != 0;
        return isLogged && _memory.Log is { } log
            ? new RingLog(log, areas.Descriptors, new(address.LogGuestAddress))
            : null;
    }
}
