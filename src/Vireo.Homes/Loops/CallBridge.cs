using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Homes.Loops;

/// <summary>The calls of a device whose queues run elsewhere, as descriptors, which is all that can be handed on.</summary>
/// <remarks>
/// Where a home's call is no descriptor - an interrupt that a driver may mask, a command to the kernel - there is one of ours, and a thread
/// passes on what comes. The thread begins with the first such call. Used by the proxy's control thread.
/// </remarks>
internal sealed class CallBridge : IDisposable
{
    private readonly Dictionary<int, Passage> _passages = [];
    private EventLoopGroup? _loops;

    /// <summary>The descriptor of a queue's call.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="call">The call; null for none. It is notified until <see cref="Forget"/>.</param>
    /// <returns>The descriptor, which stays its owner's; null where there is no call.</returns>
    public SafeFileHandle? HandleOf(int index, ISignal? call)
    {
        switch (call)
        {
            case null:
                return null;
            case IDescriptorSignal shared:
                return shared.Handle;
            default:
                EventLoop loop = (_loops ??= EventLoopGroup.Start(1, new EventLoopOptions { Name = "calls" }))[0];
                if (!_passages.TryGetValue(index, out Passage? passage))
                {
                    Passage added = passage = new();
                    loop.Invoke(() => added.Begin(loop));
                    _passages.Add(index, passage);
                }

                loop.Invoke(() => passage.Call = call);
                return passage.Descriptor.Handle;
        }
    }

    /// <summary>A queue has stopped: its call is notified of what came before, and then no more.</summary>
    /// <param name="index">Which queue.</param>
    public void Forget(int index)
    {
        if (_passages.TryGetValue(index, out Passage? passage))
        {
            _loops![0].Invoke(passage.End);
        }
    }

    /// <summary>Passes nothing on any more.</summary>
    public void Dispose()
    {
        foreach (Passage passage in _passages.Values)
        {
            _loops![0].Invoke(passage.Dispose);
        }

        _passages.Clear();
        _loops?.Dispose();
        _loops = null;
    }

    /// <summary>One descriptor and whom it is for. All on the loop's thread.</summary>
    private sealed class Passage : ILoopWatcher, IDisposable
    {
        private LoopWatch? _watch;

        public EventFd Descriptor { get; } = EventFd.Create();

        public ISignal? Call { get; set; }

        public void Begin(EventLoop loop) => _watch = loop.Watch(Descriptor.Handle, LoopEvents.Readable, this);

        public void OnEvents(LoopWatch watch, LoopEvents events)
        {
            if (Descriptor.TryDrain())
            {
                Call?.Notify();
            }
        }

        public void End()
        {
            if (Descriptor.TryDrain())
            {
                Call?.Notify();
            }

            Call = null;
        }

        public void Dispose()
        {
            _watch?.Dispose();
            Descriptor.Dispose();
        }
    }
}
