using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Tests.Backends.Block;

/// <summary>Writes and reads in turn, or only reads, each begun by the completion of the one before, and counts what that allocates.</summary>
internal sealed class AllocationDrive(
    IBlockChannel channel,
    ArraySegment<Segment> segments,
    long offsetBytes,
    int rounds,
    bool isReadOnly
) : IDisposable
{
    private const uint Tag = 1;

    private readonly ManualResetEventSlim _isDone = new();

    /// <summary>Requests to go: the first half is for warming up.</summary>
    private int _left = rounds * 4;

    private long _before;
    private long _bytes;
    private bool _isPending;
    private bool _isRunning;
    private BlockResult _worst;

    public void Complete(BlockResult result)
    {
        _isPending = false;
        _worst = result > _worst ? result : _worst;
        if (!_isRunning)
        {
            Run();
        }
    }

    public void Run()
    {
        _isRunning = true;
        while (_left > 0 && !_isPending)
        {
            if (_left == rounds * 2)
            {
                _before = GC.GetAllocatedBytesForCurrentThread();
            }

            _left--;
            _isPending = true;
            Begin();
        }

        _isRunning = false;
        if (!_isPending)
        {
            _bytes = GC.GetAllocatedBytesForCurrentThread() - _before;
            _isDone.Set();
        }
    }

    public long Wait(int patienceMs)
    {
        Assert.True(_isDone.Wait(patienceMs), "requests were never answered");
        Assert.Equal(BlockResult.Done, _worst);
        return _bytes;
    }

    public void Dispose() => _isDone.Dispose();

    private void Begin()
    {
        if (isReadOnly || _left % 2 == 0)
        {
            channel.Read(Tag, segments, offsetBytes);
        }
        else
        {
            channel.Write(Tag, segments, offsetBytes, isStable: false);
        }
    }
}
