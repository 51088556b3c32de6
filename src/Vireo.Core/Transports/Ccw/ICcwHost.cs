namespace Vireo.Core.Transports.Ccw;

/// <summary>What a channel device asks of whoever owns its subchannel.</summary>
public interface ICcwHost : ITransportHost
{
    /// <summary>Makes an unsolicited I/O interrupt pending at the subchannel, unless one is. Any thread; never blocks, never throws.</summary>
    void InterruptSubchannel();

    /// <summary>Makes an adapter I/O interrupt pending. Any thread; never blocks, never throws.</summary>
    /// <param name="subclass">The interruption subclass, 0 to 7.</param>
    void InterruptAdapter(byte subclass);
}
