using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;

namespace Vireo.Core.Queues.Distant;

/// <summary>Carries a split ring.</summary>
internal sealed class SplitDistantQueue : DistantQueue
{
    private const int UsedElementBytes = 8;

    private readonly ContiguousArea _descriptors;
    private readonly ContiguousArea _available;
    private readonly ContiguousArea _used;
    private readonly int _mask;

    /// <summary>What was read last of the driver's available ring, descriptor table and wish for calls.</summary>
    private readonly byte[] _availableCopy;

    private readonly byte[] _descriptorCopy;
    private readonly byte[] _callCopy = new byte[sizeof(ushort)];

    /// <summary>Up to where the driver's available ring has been fetched, and up to where it is being fetched.</summary>
    private RingIndex _nextAvailable;

    private RingIndex _availableSeen;

    /// <summary>Up to where used entries have been given back.</summary>
    private RingIndex _nextUsed;

    /// <summary>The same when calls were decided on last.</summary>
    private RingIndex _usedDecided;

    public SplitDistantQueue(DistantMemory memory, in QueueSetup setup, FeatureSet features, Action<string> lose)
        : base(memory, in setup, features, lose)
    {
        QueueAreas areas = setup.Areas;
        _mask = areas.Size - 1;
        _descriptors = Locate(RingArea.Descriptors(in areas, MemoryAccess.Read));
        _available = Locate(RingArea.Available(in areas, MemoryAccess.Read));
        _used = Locate(RingArea.Used(in areas));
        _availableCopy = new byte[SplitRing.AvailableBytes(areas.Size)];
        _descriptorCopy = new byte[SplitRing.DescriptorBytes(areas.Size)];
        _nextAvailable = _availableSeen = new(setup.State.AvailableIndex);
        _nextUsed = _usedDecided = new(setup.State.UsedIndex);

        // An empty ring that begins where the driver's stands.
        _available.At<ushort>(SplitRing.FlagsOffset) = 0;
        _available.At<ushort>(SplitRing.IndexOffset) = _nextAvailable.Value;
        _available.At<ushort>(UsedEventOffset) = _nextUsed.Value;
        _used.At<ushort>(SplitRing.IndexOffset) = _nextUsed.Value;
    }

    private int UsedEventOffset => SplitRing.EntriesOffset + 2 * Areas.Size;

    private int AvailableEventOffset => SplitRing.EntriesOffset + UsedElementBytes * Areas.Size;

    /// <inheritdoc/>
    protected override void Look() => ReadAvailable(OnAvailableRead);

    /// <inheritdoc/>
    protected override void Show(List<DistantChain> chains)
    {
        for (RingIndex index = _nextAvailable; index != _availableSeen; index++)
        {
            int offset = SplitRing.EntriesOffset + 2 * index.Slot(_mask);
            _available.At<ushort>(offset) = BinaryPrimitives.ReadUInt16LittleEndian(_availableCopy.AsSpan(offset));
        }

        _nextAvailable = _availableSeen;
        Publish(_nextAvailable);
    }

    /// <inheritdoc/>
    protected override void TakeTable(DistantChain chain, ReadOnlySpan<byte> table) => chain.TakeSplitTable(table);

    /// <inheritdoc/>
    protected override bool GiveBack(DistantStep step)
    {
        bool isAny = false;
        while (true)
        {
            // Acquire: entries, and what the device wrote into buffers, are complete before the index.
            RingIndex used = new(Volatile.Read(ref _used.At<ushort>(SplitRing.IndexOffset)));
            if (used == _nextUsed)
            {
                return isAny;
            }

            isAny = true;
            for (RingIndex index = _nextUsed; index != used; index++)
            {
                int offset = SplitRing.EntriesOffset + UsedElementBytes * index.Slot(_mask);
                GiveBuffers(Retire((ushort)_used.At<uint>(offset)), step);
            }

            GiveEntries(used, step);
            _nextUsed = used;
            _available.At<ushort>(UsedEventOffset) = used.Value;
            // Full: the device sees that it is to call for the next one, or that one is seen in the next round.
            Interlocked.MemoryBarrier();
        }
    }

    /// <inheritdoc/>
    protected override void AskForCall(DistantStep step)
    {
        int offset = HasEventIndex ? UsedEventOffset : SplitRing.FlagsOffset;
        Access.Read(new(Areas.Driver + (uint)offset, sizeof(ushort)), _callCopy, step);
    }

    /// <inheritdoc/>
    protected override bool WantsCall()
    {
        ushort word = BinaryPrimitives.ReadUInt16LittleEndian(_callCopy);
        RingIndex before = _usedDecided;
        _usedDecided = _nextUsed;
        return HasEventIndex ? RingIndex.Passed(new(word), _nextUsed, before) : (word & SplitRing.NoInterrupt) == 0;
    }

    private void ReadAvailable(Action<DistantStep> then)
    {
        DistantStep step = new(then);
        Access.Read(new(Areas.Driver, (uint)_availableCopy.Length), _availableCopy, step);
        step.Close();
    }

    /// <summary>Takes note of how far the driver's ring goes.</summary>
    /// <returns>Whether there is anything new.</returns>
    private bool SeeAvailable()
    {
        _availableSeen = new(BinaryPrimitives.ReadUInt16LittleEndian(_availableCopy.AsSpan(SplitRing.IndexOffset)));
        return _availableSeen != _nextAvailable;
    }

    private void OnAvailableRead(DistantStep step)
    {
        if (!MayGoOn(step))
        {
            return;
        }

        if (SeeAvailable())
        {
            ReadDescriptors();
        }
        else if (HasEventIndex)
        {
            Arm();
        }
        else
        {
            Rest();
        }
    }

    /// <summary>Asks for a kick at the next chain, and looks once more.</summary>
    private void Arm()
    {
        byte[] index = new byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(index, _nextAvailable.Value);
        DistantStep armed = new(static _ => { });
        Access.Write(new(Areas.Device + (uint)AvailableEventOffset, sizeof(ushort)), index, armed);
        ReadAvailable(OnArmed);
    }

    private void OnArmed(DistantStep step)
    {
        if (!MayGoOn(step))
        {
            return;
        }

        if (SeeAvailable())
        {
            ReadDescriptors();
        }
        else
        {
            Rest();
        }
    }

    private void ReadDescriptors()
    {
        if (_availableSeen - _nextAvailable > Areas.Size)
        {
            // Shown as it is: the device finds the fault and retires the queue.
            Publish(_availableSeen);
            MirrorKick.Notify();
            return;
        }

        DistantStep step = new(OnDescriptorsRead);
        Access.Read(new(Areas.Descriptors, (uint)_descriptorCopy.Length), _descriptorCopy, step);
        step.Close();
    }

    private void OnDescriptorsRead(DistantStep step)
    {
        if (!MayGoOn(step))
        {
            return;
        }

        List<DistantChain> chains = [];
        for (RingIndex index = _nextAvailable; index != _availableSeen; index++)
        {
            int offset = SplitRing.EntriesOffset + 2 * index.Slot(_mask);
            ushort head = BinaryPrimitives.ReadUInt16LittleEndian(_availableCopy.AsSpan(offset));
            chains.Add(Collect(head));
        }

        Take(chains);
    }

    /// <summary>Follows a chain as far as it can be followed; what is wrong with it is for the device to say.</summary>
    private DistantChain Collect(ushort head)
    {
        DistantChain chain = new(head, head);
        ReadOnlySpan<SplitDescriptor> table = MemoryMarshal.Cast<byte, SplitDescriptor>(_descriptorCopy);
        int index = head;
        while (index < table.Length && chain.Descriptors < table.Length)
        {
            SplitDescriptor descriptor = table[index];
            _descriptors.At<SplitDescriptor>(SplitRing.DescriptorBytes(index)) = descriptor;
            chain.Descriptors++;
            chain.Take(descriptor.Address, descriptor.Length, descriptor.Flags);
            if ((descriptor.Flags & DescriptorFlags.Next) == 0)
            {
                break;
            }

            index = descriptor.Next;
        }

        return chain;
    }

    private void Publish(RingIndex available) =>
        // Release: descriptors, entries and buffers are complete before the device sees the index.
        Volatile.Write(ref _available.At<ushort>(SplitRing.IndexOffset), available.Value);

    private void GiveEntries(RingIndex used, DistantStep step)
    {
        int left = used - _nextUsed;
        int slot = _nextUsed.Slot(_mask);
        while (left > 0)
        {
            int count = Math.Min(left, Areas.Size - slot);
            uint offset = (uint)(SplitRing.EntriesOffset + UsedElementBytes * slot);
            Access.Write(new(Areas.Device + offset, (uint)(UsedElementBytes * count)), null, step);
            left -= count;
            slot = 0;
        }

        // Flags and index together: kicks are always wanted here.
        byte[] header = new byte[SplitRing.EntriesOffset];
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(SplitRing.IndexOffset), used.Value);
        Access.Write(new(Areas.Device, (uint)header.Length), header, step);
    }
}
