using Vireo.Core.Queues;

namespace Vireo.Core.Contract;

/// <summary>The data plane of one emulated queue: takes chains, answers them at once or later.</summary>
/// <remarks>
/// Lives from the start of its queue to its stop, on one loop's thread. A turn takes up to <see cref="ChainsPerTurnMax"/>
/// chains, so that a busy queue cannot starve its neighbours. What was completed is published at its end, and before that whenever it
/// has become <see cref="ChainsPerPublicationMax"/>: driver and device work at the same time, not in turn. A first chain that was completed at
/// once is published, and called for, before the others are taken. Nothing here may allocate per chain.
/// </remarks>
public abstract class QueueHandler : IDisposable
{
    /// <summary>How many chains one turn takes at most.</summary>
    public const int ChainsPerTurnMax = 256;

    /// <summary>How many completed chains are kept from the driver at most: what drivers take at once when they poll.</summary>
    private const int ChainsPerPublicationMax = 32;

    private DeviceQueue? _queue;
    private ISignal? _call;
    private IDeviceHost? _host;
    private bool _isFaultReported;
    private bool _isInTurn;

    /// <summary>Whether a turn was asked for that has not begun: once is enough, however many chains are completed before it.</summary>
    private bool _isTurnAwaited;

    private long _calls;
    private long _kicks;

    /// <summary>Which queue of the device this handler serves.</summary>
    public int QueueIndex { get; private set; }

    /// <summary>The loop this handler runs on.</summary>
    public IQueueLoop Loop { get; private set; } = null!;

    /// <summary>Where the queue stands; complete after the loop has stopped the handler.</summary>
    public QueueState State => Queue.State;

    /// <summary>How many chains were taken since the queue was started; exact after the loop has stopped the handler.</summary>
    public ulong ChainsTaken => Queue.ChainsTaken;

    /// <summary>How many of these had a buffer outside the driver's memory and were refused; exact like the other.</summary>
    public ulong UnreachableChains => Queue.UnreachableChains;

    /// <summary>How often the driver was called since the queue was started. Any thread: current, if not exact.</summary>
    // Acquire: pairs with the loop's stores; a number only has to be current.
    public long Calls => Volatile.Read(ref _calls);

    /// <summary>How many kicks were seen since the queue was started; several that come at once are one. Any thread, like the other.</summary>
    // Acquire: as above.
    public long Kicks => Volatile.Read(ref _kicks);

    /// <summary>Whether chains are held that have not been completed.</summary>
    public bool IsBusy => Queue.InFlight > 0;

    /// <summary>Whether the handler takes no more chains because its queue is being stopped.</summary>
    public bool IsStopping { get; private set; }

    /// <summary>The queue this handler serves.</summary>
    protected DeviceQueue Queue => _queue!;

    /// <summary>One bounded turn: takes chains, publishes what was completed, calls the driver if it asked for it.</summary>
    /// <returns>Whether anything was done; false means the ring was empty.</returns>
    public bool Run()
    {
        _isInTurn = true;
        _isTurnAwaited = false;
        bool worked = !IsStopping && TakeChains();
        worked |= Publish();
        _isInTurn = false;
        if (Queue.Fault != QueueFault.None && !_isFaultReported)
        {
            _isFaultReported = true;
            _host!.ReportFault(QueueIndex, Queue.Fault);
        }

        return worked;
    }

    /// <summary>About to sleep: asks for a kick and looks at the ring once more.</summary>
    /// <returns>False when a chain has appeared in the meantime, or the driver has not been told of some: do not sleep.</returns>
    public bool TryArm() => !Queue.HasUnpublished && (IsStopping || !WantsChains || Queue.TryArmKicks());

    /// <summary>Counts a kick. Called by the loop on its thread.</summary>
    public void NoteKick() => _kicks++;

    /// <summary>Begins to stop: from now on no chain is taken; those in flight are still completed.</summary>
    /// <remarks>Called by the loop on its thread, once. A handler that keeps chains waiting for an event gives them back here.</remarks>
    public void BeginStop()
    {
        IsStopping = true;
        if (MayAbandon && Queue.CanAbandon)
        {
            OnSuspending();
        }

        OnStopping();
    }

    /// <summary>Whether chains that nobody works on may be left to a successor when the queue stops. Set before the stop.</summary>
    internal bool MayAbandon { get; set; }

    /// <summary>Releases what the handler holds; called after its queue has stopped.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    internal void Bind(int queueIndex, DeviceQueue queue, ISignal? call, IDeviceHost host, IQueueLoop loop)
    {
        QueueIndex = queueIndex;
        Loop = loop;
        _queue = queue;
        _call = call;
        _host = host;
        OnStarting();
    }

    /// <summary>Whether chains would be taken if there were some; false saves kicks while nothing can be done with them.</summary>
    protected virtual bool WantsChains => true;

    /// <summary>Handles one chain: completes it now, or keeps its head and completes it later on the same thread.</summary>
    /// <param name="chain">The chain; valid during the call.</param>
    protected abstract void Handle(in DescriptorChain chain);

    /// <summary>Takes the chains of one turn; override only when chains are taken for another reason than being there.</summary>
    /// <returns>Whether any was taken.</returns>
    protected virtual bool TakeChains()
    {
        Queue.SuppressKicks();
        int count = 0;
        while (count < ChainsPerTurnMax && WantsChains && Queue.TryPop(out DescriptorChain chain))
        {
            count++;
            Handle(in chain);
            if (count == 1 && Queue.HasEventIndex)
            {
                // The driver takes longer to wake up than most turns take: it is woken while we work on the rest, and with
                // EVENT_IDX it does not ask for a second call before it has looked.
                Publish();
            }
        }

        return count > 0;
    }

    /// <summary>Shows the driver what was completed, and calls it if it asked for that.</summary>
    /// <returns>Whether there was anything.</returns>
    private bool Publish()
    {
        if (!Queue.HasUnpublished)
        {
            return false;
        }

        if (Queue.Publish())
        {
            _calls++;
            _call?.Notify();
        }

        return true;
    }

    /// <summary>The queue is known and about to run: make the request slots.</summary>
    protected virtual void OnStarting() { }

    /// <summary>The queue is about to stop: give back chains that wait for something that may never come.</summary>
    protected virtual void OnStopping() { }

    /// <summary>
    /// The queue is about to stop, and whoever asked for it does not wait: <see cref="Abandon"/> the chains that nobody works on. The others
    /// are completed as ever.
    /// </summary>
    protected virtual void OnSuspending() { }

    /// <summary>Leaves a chain to whoever starts the queue next, with the record of chains in flight. Only in <see cref="OnSuspending"/>.</summary>
    /// <param name="head">The chain's head; nothing may write to its buffers any more.</param>
    protected void Abandon(ushort head) => Queue.Abandon(head);

    /// <summary>Gives a chain back to the driver; published at the end of this turn or at the next, if not at once.</summary>
    /// <param name="head">The chain's head.</param>
    /// <param name="writtenBytes">How many bytes from the start of its writable part were written.</param>
    protected void Complete(ushort head, uint writtenBytes)
    {
        Queue.Complete(head, writtenBytes);
        PublishSome();
    }

    /// <summary>Gives chains back that <see cref="DeviceQueue.Peek"/> showed, read and not written to.</summary>
    /// <param name="count">How many of the first, from 0.</param>
    protected void CompletePeeked(int count)
    {
        Queue.CompletePeeked(count);
        PublishSome();
    }

    /// <summary>Gives chains back that <see cref="DeviceQueue.Peek"/> showed.</summary>
    /// <param name="writtenBytes">For each of the first how many bytes from its start were written.</param>
    protected void CompletePeeked(ReadOnlySpan<uint> writtenBytes)
    {
        Queue.CompletePeeked(writtenBytes);
        PublishSome();
    }

    /// <summary>Publishes what is enough for it; makes sure that the rest is, soon.</summary>
    private void PublishSome()
    {
        if (Queue.UnpublishedChains >= ChainsPerPublicationMax)
        {
            Publish();
        }
        else if (!_isInTurn && !_isTurnAwaited)
        {
            _isTurnAwaited = true;
            Loop.Activate(this);
        }
    }

    /// <summary>Releases what the handler holds.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing) { }
}
