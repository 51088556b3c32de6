using Vireo.Linux.Events;

namespace Vireo.Backends.Net;

/// <summary>Watches that are begun and ended from a control thread.</summary>
internal static class NetLoopAccess
{
    /// <summary>Watches a descriptor on a loop.</summary>
    public static LoopWatch Watch(
        EventLoop loop,
        Microsoft.Win32.SafeHandles.SafeFileHandle handle,
        LoopEvents events,
        ILoopWatcher watcher
    )
    {
        LoopWatch? watch = null;
        loop.Invoke(() => watch = loop.Watch(handle, events, watcher));
        return watch!;
    }

    /// <summary>Ends a watch; nothing is reported when the call has returned.</summary>
    public static void End(EventLoop loop, LoopWatch watch) => loop.Invoke(watch.Dispose);
}
