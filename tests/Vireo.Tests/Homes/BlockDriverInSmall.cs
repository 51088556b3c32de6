using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes;

/// <summary>Writes one sector after another, each with other contents, and counts what comes back.</summary>
/// <param name="ram">The memory it shares with the device.</param>
/// <param name="queue">Its queue.</param>
internal sealed class BlockDriverInSmall(GuestRam ram, DriverQueue queue)
{
    private const int SectorBytes = 512;

    /// <summary>Room for a header, a sector and a status.</summary>
    private const ulong SlotBytes = 1024;

    private const ulong DataAt = 16;
    private const ulong StatusAt = DataAt + SectorBytes;
    private const byte NoStatus = 0xee;

    private readonly HashSet<ulong> _outstanding = [];
    private int _done;
    private ulong _slots;

    /// <summary>How many sectors have been written, or are to be.</summary>
    public int Written { get; private set; }

    /// <summary>Makes requests available that write the next sectors.</summary>
    public void Write(int count)
    {
        for (int index = 0; index < count; index++)
        {
            Add(BlockRequestType.Out, (ulong)Written);
            Written++;
        }

        queue.Publish();
    }

    /// <summary>Takes everything back that comes, until so many have been done in all; each once, and each well.</summary>
    public void TakeAll(int atLeast)
    {
        bool isDone = SpinWait.SpinUntil(
            () =>
            {
                while (queue.TryTake(out DriverCompletion completion))
                {
                    Assert.True(_outstanding.Remove(completion.Tag), "a request came back twice");
                    byte[] status = new byte[1];
                    Assert.True(ram.Memory.TryRead(new(completion.Tag + StatusAt), status));
                    Assert.Equal(0, status[0]);
                    _done++;
                }

                return _done >= atLeast;
            },
            FrontEnd.Patience
        );
        Assert.True(isDone, $"{_done} requests came back, where {atLeast} are due ({queue.Fault})");
        Assert.Equal(atLeast, _done);
    }

    /// <summary>Reads every sector that was written, and finds in it what was written there.</summary>
    public void ReadEverything(Action kick)
    {
        for (int sector = 0; sector < Written; sector++)
        {
            ulong slot = Add(BlockRequestType.In, (ulong)sector);
            queue.Publish();
            kick();
            TakeAll(_done + 1);
            byte[] data = new byte[SectorBytes];
            Assert.True(ram.Memory.TryRead(new(slot + DataAt), data));
            Assert.Equal(ContentOf(sector), data);
        }
    }

    private static byte[] ContentOf(int sector)
    {
        byte[] content = new byte[SectorBytes];
        new Random(sector).NextBytes(content);
        return content;
    }

    private ulong Add(BlockRequestType type, ulong sector)
    {
        ulong slot = GuestRam.GuestBase + GuestRam.BuffersAt + _slots * SlotBytes;
        _slots++;
        BlockRequestHeader header = new(type, sector);
        Assert.True(ram.Memory.TryWrite(new(slot), Wire.Bytes(ref header)));
        Assert.True(ram.Memory.TryWrite(new(slot + StatusAt), [NoStatus]));
        GuestRange head = new(new(slot), (uint)DataAt);
        GuestRange data = new(new(slot + DataAt), SectorBytes);
        GuestRange status = new(new(slot + StatusAt), 1);
        if (type == BlockRequestType.Out)
        {
            Assert.True(ram.Memory.TryWrite(data.Address, ContentOf((int)sector)));
            Assert.True(queue.TryAdd([head, data], [status], slot));
        }
        else
        {
            Assert.True(queue.TryAdd([head], [data, status], slot));
        }

        _outstanding.Add(slot);
        return slot;
    }
}
