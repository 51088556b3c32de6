using Vireo.Devices.Entropy;

namespace Vireo.Tests.Fakes;

/// <summary>Randomness that is no randomness: 0, 1, 2 and so on, so that a test knows every byte.</summary>
internal sealed class CountingEntropy : IEntropyBackend
{
    private byte _next;

    public void Fill(Span<byte> destination)
    {
        for (int index = 0; index < destination.Length; index++)
        {
            destination[index] = _next;
            _next = unchecked((byte)(_next + 1));
        }
    }
}
