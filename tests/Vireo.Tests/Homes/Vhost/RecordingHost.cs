using Vireo.Core.Contract;
using Vireo.Core.Queues;

namespace Vireo.Tests.Homes.Vhost;

/// <summary>A home that counts what it is told.</summary>
internal sealed class RecordingHost : IDeviceHost
{
    private int _configChanges;

    public int ConfigChanges => Volatile.Read(ref _configChanges);

    public IQueueLoop LoopFor(int queueIndex) => throw new NotSupportedException("a proxy runs no queue");

    public void NotifyConfigChanged() => Interlocked.Increment(ref _configChanges);

    public void ReportFault(int queueIndex, QueueFault fault) { }

    public void ReportLoss(string reason) { }
}
