namespace Vireo.Devices.Net;

/// <summary>A way out that takes frames by the burst: for ports within the process, which always have room.</summary>
public interface INetBurstSender : INetSender
{
    /// <summary>Sends frames, or drops and counts them.</summary>
    /// <param name="burst">The frames, from one; their bytes are the driver's again when the call returns.</param>
    void Send(in NetBurst burst);
}
