using Vireo.Homes.Loops;
using Vireo.Linux.Events;

namespace Vireo.Tests.Drivers;

/// <summary>A loop on a thread of its own, for devices that live in the test's process.</summary>
internal sealed class LocalLoop : IDisposable
{
    private readonly EventLoopGroup _group = EventLoopGroup.Start(1);

    public LocalLoop() => Queues = new(_group[0]);

    public QueueLoop Queues { get; }

    public void Dispose() => _group.Dispose();
}
