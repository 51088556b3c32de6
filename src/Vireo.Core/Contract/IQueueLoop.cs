namespace Vireo.Core.Contract;

/// <summary>Runs queue handlers on one thread.</summary>
/// <remarks>Provided by the home; devices know no threads. Any thread may call.</remarks>
public interface IQueueLoop
{
    /// <summary>Binds a handler to this loop and lets it look at its ring at once, whether or not a kick has come.</summary>
    /// <param name="handler">The handler; from here on only this loop's thread touches it.</param>
    /// <param name="kick">What announces available buffers; null to look at the ring all the time.</param>
    void Start(QueueHandler handler, ISignal? kick);

    /// <summary>Takes a handler off the loop: takes no more chains, waits for those in flight, publishes, and returns.</summary>
    /// <param name="handler">The handler; a handler that does not run here is left alone.</param>
    void Stop(QueueHandler handler);

    /// <summary>Lets a handler have a turn soon, because something other than a kick gave it work.</summary>
    /// <param name="handler">A handler that runs on this loop; called on the loop's own thread.</param>
    void Activate(QueueHandler handler);
}
