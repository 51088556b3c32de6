using Vireo.Core.Contract;
using Vireo.Core.Queues;

namespace Vireo.Devices.Entropy;

/// <summary>The data plane of the entropy device: every chain is filled at once.</summary>
internal sealed class EntropyQueueHandler(IEntropyBackend backend) : QueueHandler
{
    /// <summary>The most that one request is given: a driver with a huge buffer must not hold the loop for long.</summary>
    private const int RequestBytesMax = 64 * 1024;

    /// <inheritdoc/>
    protected override void Handle(in DescriptorChain chain)
    {
        ChainWriter writer = chain.Writer;
        while (writer.Remaining > 0 && writer.Written < RequestBytesMax)
        {
            Span<byte> part = writer.Next;
            part = part[..Math.Min(part.Length, RequestBytesMax - (int)writer.Written)];
            backend.Fill(part);
            writer.TrySkip((uint)part.Length);
        }

        Complete(chain.Head, writer.Written);
    }
}
