namespace Vireo.Devices.Net;

/// <summary>Where a network device is plugged in: the only thing the device needs from the host.</summary>
/// <remarks>
/// Each pair of queues has a way out (<see cref="INetSender"/>) and a way in (<see cref="INetReceiver"/>), opened when the queue
/// starts and disposed after it has stopped; both work on the loop of the pair.
/// </remarks>
public interface INetPort
{
    /// <summary>What kind of place it is.</summary>
    NetPortTraits Traits { get; }

    /// <summary>Whether packets get through at all. Any thread.</summary>
    bool IsLinkUp { get; }

    /// <summary>Called on any thread when <see cref="IsLinkUp"/> has changed; set by the device. Null while nobody listens.</summary>
    Action? LinkChanged { get; set; }

    /// <summary>Says what may be left to the driver of frames it receives. Control thread or the loop of pair 0.</summary>
    /// <param name="offloads">What the driver does; a port that does better still may.</param>
    void SetReceiveOffloads(NetOffloads offloads);

    /// <summary>Says from which pairs the driver takes frames now: the first ones. Control thread or the loop of pair 0.</summary>
    /// <param name="count">How many, from 1.</param>
    void SetPairsUsed(int count);

    /// <summary>Opens the way out for one transmit queue that is about to run.</summary>
    /// <param name="pairIndex">
    /// Which pair of queues, below <see cref="NetPortTraits.PairsMax"/>. Where a device has more pairs than its port, several queues open pair 0,
    /// and all of them run on its loop.
    /// </param>
    /// <param name="queue">The queue; called on its loop.</param>
    INetSender OpenSender(int pairIndex, INetQueue queue);

    /// <summary>Opens the way in for one receive queue that is about to run.</summary>
    /// <param name="pairIndex">Which pair of queues, below <see cref="NetPortTraits.PairsMax"/>.</param>
    /// <param name="queue">The queue; called on its loop.</param>
    INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue);

    /// <summary>Sends a frame that does not come from the driver, such as an announcement after a migration. Control thread.</summary>
    /// <param name="frame">The whole frame.</param>
    void Inject(ReadOnlySpan<byte> frame);
}
