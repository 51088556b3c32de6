namespace Vireo.Devices.Net;

/// <summary>The way in of one receive queue. Used on the queue's loop.</summary>
public interface INetReceiver : IDisposable
{
    /// <summary>Delivers frames that have come, one after the other, until there are none, enough, or the queue is full.</summary>
    /// <param name="countMax">How many at most, from 1.</param>
    /// <returns>
    /// How many were taken from the network, dropped ones included. When it is fewer than asked for, the queue is woken as
    /// soon as more come.
    /// </returns>
    int Receive(int countMax);
}
