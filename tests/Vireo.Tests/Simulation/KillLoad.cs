using System.Runtime.InteropServices;
using Vireo.Drivers;
using Vireo.Drivers.Block;

namespace Vireo.Tests.Simulation;

/// <summary>
/// Writes, reads and flushes on one queue, and knows at any time what each block of its part of the disk may hold. Runs on a thread of its own.
/// </summary>
/// <remarks>
/// A block holds its number and a version, over and over. One request at a time has a block, so a block's versions reach the disk in
/// ascending order, unless a request that was over is done once more.
/// </remarks>
internal sealed class KillLoad : IDisposable
{
    public const int BlockBytes = 4096;
    public const int BlockCount = 96;

    /// <summary>Requests in flight; less than the queue takes, so that a tag that comes back wrong is not hidden by a full queue.</summary>
    private const int SlotCount = 24;

    private static readonly TimeSpan WaitStep = TimeSpan.FromMilliseconds(20);

    private readonly BlockQueue _queue;
    private readonly int _firstBlock;
    private readonly Random _random;
    private readonly Slot[] _slots = new Slot[SlotCount];
    private readonly Thread _thread;

    /// <summary>Version of each block whose write was begun last, and was acknowledged last.</summary>
    private readonly long[] _begun = new long[BlockCount];
    private readonly long[] _acknowledged = new long[BlockCount];

    /// <summary>Which blocks a request has.</summary>
    private readonly bool[] _isBusy = new bool[BlockCount];

    /// <summary>How often each slot was used; part of a request's tag, so that an answer to a request that is over is noticed.</summary>
    private readonly ulong[] _turns = new ulong[SlotCount];

    private long _completed;
    private int _inFlight;
    private volatile bool _isStopping;
    private volatile Exception? _failure;

    public KillLoad(BlockDriver driver, int queue, int seed)
    {
        _queue = driver.Queue(queue);
        _firstBlock = queue * BlockCount;
        _random = new(seed);
        for (int index = 0; index < SlotCount; index++)
        {
            _slots[index].Buffer = driver.Memory.Allocate(BlockBytes, BlockBytes);
        }

        _thread = new(Run) { IsBackground = true, Name = $"load on queue {queue}" };
        _thread.Start();
    }

    private enum Kind
    {
        None,
        Write,
        Read,
        Flush,
    }

    /// <summary>How many requests were answered.</summary>
    public long Completed => Volatile.Read(ref _completed);

    /// <summary>How many requests have no answer yet.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Throws what the load has run into.</summary>
    public void ThrowIfFailed()
    {
        if (_failure is { } failure)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    /// <summary>Compares the disk, which nobody writes to now, with what was acknowledged and what was begun.</summary>
    /// <param name="disk">The image.</param>
    /// <param name="versions">The versions found the last time; receives those found now.</param>
    /// <returns>How many blocks hold a write that is there, but was not acknowledged.</returns>
    public int Check(FileStream disk, Span<long> versions)
    {
        int unacknowledged = 0;
        byte[] bytes = new byte[BlockBytes];
        for (int block = 0; block < BlockCount; block++)
        {
            disk.Position = (long)(_firstBlock + block) * BlockBytes;
            disk.ReadExactly(bytes);
            long version = VersionOf(bytes, _firstBlock + block);
            // Read after the disk: what was acknowledged until now must have been there.
            long acknowledged = Volatile.Read(ref _acknowledged[block]);
            long begun = Volatile.Read(ref _begun[block]);
            Assert.InRange(version, acknowledged, begun);
            Assert.True(version >= versions[block], $"block {block}: version {version} came after {versions[block]}");
            versions[block] = version;
            unacknowledged += version > acknowledged ? 1 : 0;
        }

        return unacknowledged;
    }

    /// <summary>Lets all requests come to their end. No request may be without an answer then.</summary>
    public void Stop()
    {
        _isStopping = true;
        Assert.True(_thread.Join(TimeSpan.FromSeconds(30)), $"{InFlight} requests are never answered");
        ThrowIfFailed();
        Assert.Equal(0, InFlight);
        Assert.Equal(0, _queue.InFlight);
    }

    public void Dispose()
    {
        _isStopping = true;
        _thread.Join(TimeSpan.FromSeconds(1));
    }

    private static void Fill(Span<byte> bytes, int block, long version)
    {
        Span<long> words = MemoryMarshal.Cast<byte, long>(bytes);
        for (int index = 0; index < words.Length; index += 2)
        {
            words[index] = block;
            words[index + 1] = version;
        }
    }

    /// <summary>The version that a whole block holds; 0 for a block never written.</summary>
    private static long VersionOf(ReadOnlySpan<byte> bytes, int block)
    {
        ReadOnlySpan<long> words = MemoryMarshal.Cast<byte, long>(bytes);
        long version = words[1];
        long expected = version == 0 ? 0 : block;
        for (int index = 0; index < words.Length; index += 2)
        {
            Assert.True(
                words[index] == expected && words[index + 1] == version,
                $"block {block} is torn: word {index} is {words[index]} {words[index + 1]}, the first {words[0]} {version}"
            );
        }

        return version;
    }

    private void Run()
    {
        try
        {
            Span<BlockCompletion> completions = stackalloc BlockCompletion[SlotCount];
            while (!_isStopping || _queue.InFlight > 0)
            {
                SubmitSome();
                int count = _queue.Wait(completions, WaitStep);
                foreach (BlockCompletion completion in completions[..count])
                {
                    Complete(completion);
                }

                Volatile.Write(ref _inFlight, _queue.InFlight);
            }
        }
        catch (Exception exception)
        {
            _failure = exception;
        }
    }

    private void SubmitSome()
    {
        for (int slot = 0; slot < SlotCount && !_isStopping; slot++)
        {
            if (_slots[slot].Kind == Kind.None)
            {
                Begin(slot);
            }
        }

        Volatile.Write(ref _inFlight, _queue.InFlight);
        _queue.Submit();
    }

    private void Begin(int slot)
    {
        int block = _random.Next(BlockCount);
        ulong tag = _turns[slot] * SlotCount + (ulong)slot;
        int choice = _random.Next(16);
        if (choice == 0)
        {
            Assert.True(_queue.TryFlush(tag));
            _slots[slot].Kind = Kind.Flush;
            return;
        }

        if (_isBusy[block])
        {
            return;
        }

        ulong sector = (ulong)(_firstBlock + block) * BlockBytes / 512;
        _isBusy[block] = true;
        _slots[slot].Block = block;
        if (choice < 4)
        {
            Assert.True(_queue.TryRead(sector, in _slots[slot].Buffer, tag));
            _slots[slot].Kind = Kind.Read;
        }
        else
        {
            long version = _begun[block] + 1;
            Fill(_slots[slot].Buffer.Bytes, _firstBlock + block, version);
            Volatile.Write(ref _begun[block], version);
            Assert.True(_queue.TryWrite(sector, in _slots[slot].Buffer, tag));
            _slots[slot].Kind = Kind.Write;
        }
    }

    private void Complete(BlockCompletion completion)
    {
        int index = (int)(completion.Tag % SlotCount);
        ref Slot slot = ref _slots[index];
        Assert.True(completion.IsDone, $"a request failed: {completion.Status}");
        Assert.True(
            slot.Kind != Kind.None && completion.Tag / SlotCount == _turns[index],
            $"request {completion.Tag} was answered twice"
        );
        switch (slot.Kind)
        {
            case Kind.Write:
                Volatile.Write(ref _acknowledged[slot.Block], _begun[slot.Block]);
                _isBusy[slot.Block] = false;
                break;
            case Kind.Read:
                Assert.Equal(_acknowledged[slot.Block], VersionOf(slot.Buffer.Bytes, _firstBlock + slot.Block));
                _isBusy[slot.Block] = false;
                break;
            default:
                break;
        }

        slot.Kind = Kind.None;
        _turns[index]++;
        Volatile.Write(ref _completed, _completed + 1);
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Slot
    {
        public DriverBuffer Buffer;
        public Kind Kind;
        public int Block;
    }
}
