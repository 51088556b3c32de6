namespace Vireo.Core.Contract;

/// <summary>A network device that can announce where its driver is after a migration.</summary>
public interface IAnnouncingDevice
{
    /// <summary>Sends a packet (RARP) with the driver's address into the network, so that switches learn the new place.</summary>
    /// <param name="macAddress">The driver's address, 6 bytes.</param>
    void Announce(ReadOnlySpan<byte> macAddress);
}
