using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Tests.Fakes;

/// <summary>A disk in memory that answers at once, later, in another order, or with failure: as the test says.</summary>
internal sealed class FakeBlockBackend : IBlockBackend
{
    private readonly Queue<BlockResult> _failures = new();

    public FakeBlockBackend(int sectors = 2048) => Disk = new byte[sectors * BlockDevice.SectorBytes];

    public BlockTraits Traits { get; set; } =
        new()
        {
            Discard = new(1 << 20, 4096),
            WriteZeroes = new(1 << 20, 512),
            WriteZeroesMayUnmap = true,
        };

    public Action? CapacityChanged { get; set; }

    public BlockLifetime? Lifetime { get; set; }

    public IBlockZones? Zones => null;

    public byte[] Disk { get; set; }

    /// <summary>Unless set, the size of <see cref="Disk"/>.</summary>
    public long? Capacity { get; set; }

    public long CapacitySectors => Capacity ?? Disk.Length / BlockDevice.SectorBytes;

    /// <summary>Whether requests wait in <see cref="Pending"/> until the test completes them.</summary>
    public bool IsDeferred { get; set; }

    /// <summary>All requests so far.</summary>
    public List<FakeBlockCall> Calls { get; } = [];

    /// <summary>Requests not yet completed.</summary>
    public List<FakeBlockCall> Pending { get; } = [];

    public List<FakeBlockChannel> Channels { get; } = [];

    public IBlockChannel OpenChannel(int queueIndex, int tagCount, IBlockCompletions completions)
    {
        FakeBlockChannel channel = new(this, completions);
        Channels.Add(channel);
        return channel;
    }

    /// <summary>The next requests to be carried out end like this, one each.</summary>
    public void Fail(params BlockResult[] results) => Array.ForEach(results, _failures.Enqueue);

    public void CompleteAll()
    {
        while (Pending.Count > 0)
        {
            CompleteAt(0);
        }
    }

    public void CompleteAt(int index)
    {
        FakeBlockCall call = Pending[index];
        Pending.RemoveAt(index);
        CarryOut(call);
    }

    internal void Take(FakeBlockCall call)
    {
        Calls.Add(call);
        if (IsDeferred)
        {
            Pending.Add(call);
        }
        else
        {
            CarryOut(call);
        }
    }

    private void CarryOut(FakeBlockCall call)
    {
        if (!_failures.TryDequeue(out BlockResult result))
        {
            Apply(call);
        }

        call.Channel.Completions.Complete(call.Tag, result);
    }

    private void Apply(FakeBlockCall call)
    {
        Span<byte> range = Disk.AsSpan((int)call.OffsetBytes, (int)call.LengthBytes);
        if (call.Kind is "WriteZeroes" or "Discard" or "SecureErase")
        {
            range.Clear();
        }

        foreach (Segment segment in call.Segments)
        {
            if (call.Kind is "Read")
            {
                range[..segment.Length].CopyTo(segment.Bytes);
            }
            else
            {
                segment.Bytes.CopyTo(range);
            }

            range = range[segment.Length..];
        }
    }
}
