namespace Vireo.Core.Transports.Ccw;

/// <summary>A way for a driver to reach a channel device.</summary>
public interface ICcwAccess
{
    /// <summary>Executes a channel program and waits for its end.</summary>
    /// <param name="request">Where it lies.</param>
    ChannelResult Start(ChannelRequest request);

    /// <summary>Announces available buffers.</summary>
    /// <param name="data">Which queue.</param>
    /// <param name="cookie">What the last call returned, or anything.</param>
    /// <returns>The host cookie.</returns>
    ulong Notify(ulong data, ulong cookie);
}
