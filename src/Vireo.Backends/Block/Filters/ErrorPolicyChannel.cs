using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Filters;

/// <summary>Keeps the requests of one queue while the disk is stopped, and those that stopped it.</summary>
internal sealed class ErrorPolicyChannel : FilterChannel
{
    private readonly ErrorPolicyDisk _disk;

    /// <summary>The requests on their way, by tag, so that they can be made once more.</summary>
    private readonly ChannelCall[] _calls;

    private readonly Queue<uint> _waiting = new();
    private bool _isStopping;
    private bool _isDisposed;

    /// <summary>Makes a channel.</summary>
    public ErrorPolicyChannel(
        ErrorPolicyDisk disk,
        IBlockBackend inner,
        int queueIndex,
        int tagCount,
        IBlockCompletions completions
    )
        : base(inner, queueIndex, tagCount, completions)
    {
        _disk = disk;
        _calls = new ChannelCall[tagCount];
        QueueIndex = queueIndex;
        Retry = MakeWaiting;
    }

    /// <summary>Which queue this serves.</summary>
    public int QueueIndex { get; }

    /// <summary>Makes the calls that wait; to be posted to the queue's loop.</summary>
    public Action Retry { get; }

    /// <inheritdoc/>
    public override void BeginStop()
    {
        _isStopping = true;
        while (_waiting.TryDequeue(out uint tag))
        {
            // Whoever stops the queue cannot wait for a person; the guest, if there is one still, is told the truth.
            Completions.Complete(tag, BlockResult.IoError);
        }

        Inner.BeginStop();
    }

    /// <inheritdoc/>
    public override void Complete(uint tag, BlockResult result)
    {
        if (result == BlockResult.Done || _isStopping)
        {
            Completions.Complete(tag, result);
            return;
        }

        switch (_disk.Decide(_calls[tag].Kind, result))
        {
            case ErrorAction.Ignore:
                Completions.Complete(tag, BlockResult.Done);
                break;
            case ErrorAction.Stop:
                _waiting.Enqueue(tag);
                break;
            default:
                Completions.Complete(tag, result);
                break;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _isDisposed = true;
        _disk.Remove(this);
        base.Dispose();
    }

    /// <inheritdoc/>
    private protected override void Begin(in ChannelCall call)
    {
        _calls[call.Tag] = call;
        if (_disk.IsStopped && !_isStopping)
        {
            _waiting.Enqueue(call.Tag);
        }
        else
        {
            call.MakeOn(Inner);
        }
    }

    private void MakeWaiting()
    {
        // As many as wait now: what fails again goes to the end, and is not tried a third time before the next Resume.
        for (int left = _waiting.Count; left > 0 && !_isDisposed && !_disk.IsStopped; left--)
        {
            _calls[_waiting.Dequeue()].MakeOn(Inner);
        }
    }
}
