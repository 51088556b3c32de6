using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues.Distant;

/// <summary>Carries one queue between a driver's memory that is not mapped and its mirror, in which the device works.</summary>
/// <remarks>
/// <code>
///   driver's kick --> fetch: ring, tables, readable buffers --> mirror --> the device's kick
///   the device's call --> give back: writable buffers, used entries, index --> ask whether the driver wants a call --> call
/// </code>
/// The two directions are independent. The device sees a ring like any other; positions are the same on both sides, so a queue that
/// stops goes on from its state. One control thread, except <see cref="Notify"/>.
/// </remarks>
internal abstract class DistantQueue : ISignal
{
    private readonly ISignal? _kick;
    private readonly ISignal? _call;
    private readonly Action<string> _lose;
    private readonly Action _onCalled;

    private IDisposable? _watch;
    private bool _isFetching;
    private bool _mustFetchAgain;
    private bool _isGiving;
    private bool _mustGiveAgain;

    /// <summary>Chains that are being fetched, in the order of the ring.</summary>
    private readonly List<DistantChain> _fetched = [];

    /// <summary>The chains that the device has or may take, by their numbers.</summary>
    private readonly Dictionary<ushort, DistantChain> _chains = [];

    /// <summary>With IN_ORDER: the same in the order of the ring.</summary>
    private readonly Queue<DistantChain>? _order;

    /// <summary>Makes the bridge.</summary>
    /// <param name="memory">The memory; ring and mirror lie in it.</param>
    /// <param name="setup">What the queue was to run with.</param>
    /// <param name="features">The negotiated features.</param>
    /// <param name="lose">Told when memory cannot be reached: the device needs a reset.</param>
    protected DistantQueue(DistantMemory memory, in QueueSetup setup, FeatureSet features, Action<string> lose)
    {
        Memory = memory;
        Areas = setup.Areas;
        HasEventIndex = features.Contains(CoreFeature.EventIndex);
        _kick = setup.Kick;
        _call = setup.Call;
        _lose = lose;
        _onCalled = OnCalled;
        _order = features.Contains(CoreFeature.InOrder) ? new() : null;
        MirrorKick = Access.MakeKick();
    }

    /// <summary>What the device is kicked with.</summary>
    public ISignal MirrorKick { get; }

    /// <summary>The memory.</summary>
    protected DistantMemory Memory { get; }

    /// <summary>The ring.</summary>
    protected QueueAreas Areas { get; }

    /// <summary>Whether EVENT_IDX was negotiated.</summary>
    protected bool HasEventIndex { get; }

    /// <summary>How memory is reached.</summary>
    protected IDistantAccess Access => Memory.Access;

    /// <summary>Whether the queue has been stopped.</summary>
    protected bool HasEnded { get; private set; }

    /// <summary>Makes the bridge for a ring's layout, and the ring in the mirror.</summary>
    /// <exception cref="RingException">Part of the ring is mapped and part is not, or it does not lie in memory.</exception>
    public static DistantQueue Create(
        DistantMemory memory,
        in QueueSetup setup,
        FeatureSet features,
        Action<string> lose
    )
    {
        RingLocator.CheckSize(setup.Areas.Size, features.Contains(CoreFeature.RingPacked));
        return features.Contains(CoreFeature.RingPacked)
            ? new PackedDistantQueue(memory, in setup, features, lose)
            : new SplitDistantQueue(memory, in setup, features, lose);
    }

    /// <summary>The device runs in the mirror: looks for chains.</summary>
    public void Start()
    {
        _watch = _kick is null ? null : Access.Watch(_kick, Fetch);
        Fetch();
    }

    /// <summary>The device calls. Any thread.</summary>
    public void Notify() => Access.Post(_onCalled);

    /// <summary>The device has stopped: gives back what it has used, at once.</summary>
    public void Finish()
    {
        HasEnded = true;
        _watch?.Dispose();
        _watch = null;
        DistantStep step = new(CallIfGiven);
        bool isGiven = GiveBack(step);
        if (isGiven)
        {
            step.Close();
            Access.Flush();
        }
    }

    /// <summary>Finds an area of the ring in the mirror.</summary>
    /// <exception cref="RingException">It is misaligned, or not all distant, or not one piece.</exception>
    protected ContiguousArea Locate(in RingArea area)
    {
        if (RingLocator.TryLocate(Memory.Near, in area, out _))
        {
            throw new RingException($"{area.Name} at {area.Address} is shared, and other parts of the ring are not");
        }

        return new(RingLocator.Locate(Memory.Mirror, in area));
    }

    /// <summary>Looks at the driver's ring for new chains; ends in <see cref="Take"/> or <see cref="Rest"/>.</summary>
    protected abstract void Look();

    /// <summary>The chains that were found have been fetched: shows them to the device.</summary>
    protected abstract void Show(List<DistantChain> chains);

    /// <summary>Takes the buffers of a chain's table.</summary>
    protected abstract void TakeTable(DistantChain chain, ReadOnlySpan<byte> table);

    /// <summary>Gives back what the device has used since the last time.</summary>
    /// <param name="step">What the copies belong to.</param>
    /// <returns>Whether there was anything.</returns>
    protected abstract bool GiveBack(DistantStep step);

    /// <summary>Asks what the driver says about calls.</summary>
    /// <param name="step">Ends when it is known.</param>
    protected abstract void AskForCall(DistantStep step);

    /// <summary>Whether the driver, as it said, wants to be called for what was given back.</summary>
    protected abstract bool WantsCall();

    /// <summary>Fetches what belongs to new chains.</summary>
    /// <param name="chains">The chains, in the order of the ring; their tables are still to be read.</param>
    protected void Take(List<DistantChain> chains)
    {
        _fetched.Clear();
        _fetched.AddRange(chains);
        DistantStep step = new(OnTablesFetched);
        foreach (DistantChain chain in _fetched)
        {
            Fetch(chain.Table, step);
        }

        step.Close();
    }

    /// <summary>There is nothing new in the ring.</summary>
    protected void Rest()
    {
        _isFetching = false;
        if (_mustFetchAgain)
        {
            Fetch();
        }
    }

    /// <summary>A step of the fetching direction has ended.</summary>
    /// <returns>Whether the next one is to follow.</returns>
    protected bool MayGoOn(DistantStep step)
    {
        if (!HasEnded && step.Failure is { } failure)
        {
            HasEnded = true;
            _lose(failure);
        }

        return !HasEnded;
    }

    /// <summary>A chain has been used.</summary>
    /// <param name="id">Its number, as the device wrote it.</param>
    /// <returns>The chain; null when the device wrote a number of none.</returns>
    protected DistantChain? Retire(ushort id)
    {
        if (_order is not null)
        {
            return _order.TryDequeue(out DistantChain? oldest) ? oldest : null;
        }

        return _chains.Remove(id, out DistantChain? chain) ? chain : null;
    }

    /// <summary>Gives the buffers of a used chain back.</summary>
    protected void GiveBuffers(DistantChain? chain, DistantStep step)
    {
        // All of them, whatever length is reported: a request that fails half way has its status at the end.
        foreach (GuestRange range in chain?.Writable ?? [])
        {
            if (IsMemory(range, MemoryAccess.Write))
            {
                Access.Write(range, null, step);
            }
        }
    }

    private void Fetch()
    {
        _mustFetchAgain = _isFetching;
        if (!_isFetching && !HasEnded)
        {
            _isFetching = true;
            Look();
        }
    }

    private void Fetch(GuestRange range, DistantStep step)
    {
        if (range.LengthBytes > 0 && IsMemory(range, MemoryAccess.Read))
        {
            Access.Read(range, null, step);
        }
    }

    private void OnTablesFetched(DistantStep tables)
    {
        if (!MayGoOn(tables))
        {
            return;
        }

        DistantStep step = new(OnBuffersFetched);
        foreach (DistantChain chain in _fetched)
        {
            if (chain.Table.LengthBytes > 0)
            {
                byte[] table = new byte[chain.Table.LengthBytes];
                if (Memory.Mirror.TryRead(chain.Table.Address, table))
                {
                    TakeTable(chain, table);
                }
            }

            foreach (GuestRange range in chain.Readable)
            {
                Fetch(range, step);
            }
        }

        step.Close();
    }

    private void OnBuffersFetched(DistantStep step)
    {
        if (!MayGoOn(step))
        {
            return;
        }

        foreach (DistantChain chain in _fetched)
        {
            _chains[chain.Id] = chain;
            _order?.Enqueue(chain);
        }

        Show(_fetched);
        MirrorKick.Notify();
        // There may be more by now.
        Look();
    }

    private void OnCalled()
    {
        // One after the other: what the driver said about calls is held against what it could see of the ring by then.
        _mustGiveAgain = _isGiving;
        if (HasEnded || _isGiving)
        {
            return;
        }

        DistantStep step = new(DecideCall);
        if (GiveBack(step))
        {
            _isGiving = true;
            AskForCall(step);
            step.Close();
        }
    }

    private void DecideCall(DistantStep step)
    {
        _isGiving = false;
        if (MayGoOn(step) ? WantsCall() : step.Failure is null)
        {
            _call?.Notify();
        }

        if (_mustGiveAgain)
        {
            OnCalled();
        }
    }

    private void CallIfGiven(DistantStep step)
    {
        if (step.Failure is null)
        {
            _call?.Notify();
        }
    }

    /// <summary>Whether a buffer lies in memory; one that does not is refused by the device, and nobody is asked for it.</summary>
    private bool IsMemory(GuestRange range, MemoryAccess access) =>
        Memory.Mirror.Translate(range.Address, range.LengthBytes, access, new SegmentList()) == Translation.Done;
}
