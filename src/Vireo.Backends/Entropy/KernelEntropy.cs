using System.Security.Cryptography;
using Vireo.Devices.Entropy;

namespace Vireo.Backends.Entropy;

/// <summary>Randomness of the host's cryptographic generator, which the kernel seeds.</summary>
public sealed class KernelEntropy : IEntropyBackend
{
    /// <inheritdoc/>
    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
