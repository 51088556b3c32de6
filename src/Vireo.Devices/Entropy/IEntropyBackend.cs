namespace Vireo.Devices.Entropy;

/// <summary>Where an entropy device gets its randomness from.</summary>
public interface IEntropyBackend
{
    /// <summary>Fills a buffer entirely with random bytes, without waiting.</summary>
    /// <param name="destination">The driver's memory; 1 to 65,536 bytes.</param>
    void Fill(Span<byte> destination);
}
