namespace Vireo.Core.Transports;

/// <summary>How one transport tells its driver that something happened.</summary>
internal interface ITransportCalls
{
    /// <summary>Announces used buffers. Called by the queue's loop; never blocks, never throws.</summary>
    /// <param name="queue">The queue.</param>
    void CallQueue(TransportQueue queue);

    /// <summary>Announces that the configuration space has changed, or that the device needs a reset. Any thread.</summary>
    void CallConfig();

    /// <summary>The device has been reset: forget vectors and pending interrupts. Control thread.</summary>
    void OnReset();
}
