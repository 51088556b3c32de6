namespace Vireo.Core.Transports;

/// <summary>What a transport with an interrupt line asks of whoever routes its accesses.</summary>
public interface ILineHost : ITransportHost
{
    /// <summary>Sets the device's one level-triggered interrupt line; called when the level changes, from any thread.</summary>
    /// <param name="isAsserted">The level. The host must not call the transport from here.</param>
    void SetInterruptLine(bool isAsserted);
}
