using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Backends.Block.Filters;

/// <summary>Decides what becomes of requests that a disk fails: <c>rerror</c> and <c>werror</c>.</summary>
/// <remarks>
/// While the disk is stopped, requests wait, on all queues; <see cref="Resume"/> tries those that failed once more. So an operator can make room
/// on a full host and the guest never learns that there was none.
/// </remarks>
public sealed class ErrorPolicyDisk : FilterDisk
{
    private readonly EventLoopGroup _loops;
    private readonly ErrorAction _onRead;
    private readonly ErrorAction _onWrite;
    private readonly Lock _gate = new();
    private readonly List<ErrorPolicyChannel> _channels = [];

    /// <summary>Whether requests wait; written under the gate, read by the loops.</summary>
    private volatile bool _isStopped;

    /// <summary>Puts a policy in front of a disk.</summary>
    /// <param name="inner">The disk; stays the caller's.</param>
    /// <param name="loops">The loops of the home: queue i is served on loop i. They stay the caller's.</param>
    /// <param name="onRead">What becomes of reads that fail.</param>
    /// <param name="onWrite">What becomes of everything else that fails.</param>
    public ErrorPolicyDisk(IBlockBackend inner, EventLoopGroup loops, ErrorAction onRead, ErrorAction onWrite)
        : base(inner)
    {
        ArgumentNullException.ThrowIfNull(loops);
        _loops = loops;
        _onRead = onRead;
        _onWrite = onWrite;
    }

    /// <summary>Called, on a loop's thread, when an error stops the disk; not again before it was resumed.</summary>
    public Action<BlockResult>? Stopped { get; set; }

    /// <summary>Whether the disk is stopped. Any thread.</summary>
    public bool IsStopped => _isStopped;

    /// <inheritdoc/>
    public override IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions)
    {
        ErrorPolicyChannel channel = new(this, Inner, queueIndex, tagCount, completions);
        lock (_gate)
        {
            _channels.Add(channel);
        }

        return channel;
    }

    /// <summary>Lets a stopped disk go on. Any thread.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            _isStopped = false;
            foreach (ErrorPolicyChannel channel in _channels)
            {
                _loops[channel.QueueIndex].Post(channel.Retry);
            }
        }
    }

    /// <summary>Stops the disk if the policy says so.</summary>
    /// <returns>What becomes of the request: Report, Ignore or Stop.</returns>
    internal ErrorAction Decide(ChannelCallKind kind, BlockResult result)
    {
        ErrorAction action = kind == ChannelCallKind.Read ? _onRead : _onWrite;
        if (result == BlockResult.Unsupported)
        {
            return ErrorAction.Report;
        }

        if (action == ErrorAction.StopIfFull)
        {
            action = result == BlockResult.NoSpace ? ErrorAction.Stop : ErrorAction.Report;
        }

        if (action == ErrorAction.Stop)
        {
            Stop(result);
        }

        return action;
    }

    internal void Remove(ErrorPolicyChannel channel)
    {
        lock (_gate)
        {
            _channels.Remove(channel);
        }
    }

    private void Stop(BlockResult result)
    {
        lock (_gate)
        {
            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
        }

        Stopped?.Invoke(result);
    }
}
