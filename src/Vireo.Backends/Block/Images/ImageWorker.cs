using Vireo.Backends.Block.Engines;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Images;

/// <summary>Has worker threads do what a channel cannot do without waiting.</summary>
internal sealed class ImageWorker(EventLoop loop, WorkerPool workers, int tagCount, ImageChannel channel)
    : WorkerMember(loop, workers, tagCount)
{
    /// <summary>Hands a request to a worker. On the loop's thread.</summary>
    public void Submit(uint tag) => Enqueue(tag);

    /// <inheritdoc/>
    private protected override int CarryOut(uint tag) => (int)channel.CarryOut(tag);

    /// <inheritdoc/>
    private protected override void Deliver(uint tag, int result) =>
        channel.OnWorked(tag, (Devices.Block.BlockResult)result);
}
