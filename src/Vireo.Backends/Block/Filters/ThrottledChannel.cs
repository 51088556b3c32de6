using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Filters;

/// <summary>Makes requests wait, in their order, until the disk's limits let them through.</summary>
internal sealed class ThrottledChannel : FilterChannel
{
    /// <summary>The shortest sleep: a clock that fires a little early must not make the loop spin.</summary>
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);

    private readonly ThrottledDisk _disk;
    private readonly ITimer _timer;
    private readonly Queue<ChannelCall> _waiting = new();
    private bool _isStopping;
    private bool _isDisposed;

    /// <summary>Makes a channel.</summary>
    public ThrottledChannel(
        ThrottledDisk disk,
        IBlockBackend inner,
        EventLoop loop,
        TimeProvider clock,
        int queueIndex,
        int tagCount,
        IBlockCompletions completions
    )
        : base(inner, queueIndex, tagCount, completions)
    {
        _disk = disk;
        Action drain = Drain;
        _timer = clock.CreateTimer(
            _ => loop.Post(drain),
            state: null,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan
        );
    }

    /// <inheritdoc/>
    public override void BeginStop()
    {
        // Nobody waits for a stopping guest's limits to be kept to the end.
        _isStopping = true;
        Drain();
        Inner.BeginStop();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _isDisposed = true;
        _timer.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    private protected override void Begin(in ChannelCall call)
    {
        if (_waiting.Count > 0 || !TryPass(in call))
        {
            _waiting.Enqueue(call);
        }
    }

    private void Drain()
    {
        while (!_isDisposed && _waiting.TryPeek(out ChannelCall call) && TryPass(in call))
        {
            _waiting.Dequeue();
        }
    }

    private bool TryPass(in ChannelCall call)
    {
        bool isTransfer = call.Kind is ChannelCallKind.Read or ChannelCallKind.Write;
        if (!_isStopping && !_disk.TryPass(isTransfer ? call.LengthBytes : 0, out TimeSpan wait))
        {
            _timer.Change(wait < ShortestWait ? ShortestWait : wait, Timeout.InfiniteTimeSpan);
            return false;
        }

        call.MakeOn(Inner);
        return true;
    }
}
