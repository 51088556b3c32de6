namespace Vireo.Devices.Net;

/// <summary>The way out of one transmit queue. Used on the queue's loop.</summary>
public interface INetSender : IDisposable
{
    /// <summary>Whether another frame would be taken; when it becomes true again the queue is woken.</summary>
    bool HasRoom { get; }

    /// <summary>Sends a frame, or drops and counts it.</summary>
    /// <param name="frame">The frame; its bytes are the driver's again when the call returns.</param>
    void Send(in NetFrame frame);

    /// <summary>No more frames for now: what was kept back for company goes out.</summary>
    void Flush();
}
