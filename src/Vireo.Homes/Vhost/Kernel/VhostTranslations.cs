using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost.Kernel;

/// <summary>Answers a kernel that asks where the driver's addresses lie, because an I/O translation stands in front of its memory.</summary>
/// <remarks>
/// A thread of its own reads what the kernel has missed and tells it whole pages, or as much of a page as is memory: the rings of the vDPA
/// bus end within one. What is not known yet has been asked for by then: when it comes the home lets the rings look again, the kernel
/// misses it again, and is told. An address that is nowhere is not answered: its ring stands still, as where an IOMMU refuses.
/// </remarks>
internal sealed class VhostTranslations : ILoopWatcher, IDisposable
{
    private const uint PageBytes = 4096;

    private const int MissesPerTurnMax = 256;

    private readonly IVhostKernelDevice _door;
    private readonly EventLoopGroup _loops;
    private readonly LoopWatch _watch;

    /// <summary>On the loop's thread, as all that follows.</summary>
    private readonly SegmentList _segments = new();
    private GuestMemory? _memory;

    /// <summary>Begins to listen; there is no memory yet.</summary>
    /// <param name="door">The device, which asks from now on; stays the caller's and lives longer.</param>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    public VhostTranslations(IVhostKernelDevice door)
    {
        _door = door;
        door.UseTranslations();
        _loops = EventLoopGroup.Start(1, new EventLoopOptions { Name = "translations" });
        LoopWatch? watch = null;
        _loops[0].Invoke(() => watch = _loops[0].Watch(door.Misses, LoopEvents.Readable, this));
        _watch = watch!;
    }

    /// <summary>Answers from this memory on. No ring runs.</summary>
    /// <param name="memory">The driver's memory, good until <see cref="End"/>.</param>
    public void Begin(GuestMemory memory) =>
        _loops[0]
            .Invoke(() =>
            {
                _door.ForgetTranslations(0, ulong.MaxValue);
                _memory = memory;
            });

    /// <summary>Answers no more. No ring runs.</summary>
    public void End() => _loops[0].Invoke(() => _memory = null);

    /// <summary>Tells the kernel of an area of a ring, before that ring starts.</summary>
    /// <param name="range">Where it is.</param>
    /// <param name="access">How it is used.</param>
    /// <param name="name">What the specification calls it.</param>
    /// <returns>False when a translation has been asked for that has not come.</returns>
    /// <exception cref="DeviceException">It is not in memory.</exception>
    public bool TryTell(GuestRange range, MemoryAccess access, string name)
    {
        Translation outcome = Translation.Refused;
        if (range.LengthBytes - 1 <= ulong.MaxValue - range.Address.Value)
        {
            ulong first = range.Address.Value;
            _loops[0].Invoke(() => outcome = GrantAll(first, first + (range.LengthBytes - 1), access));
        }

        return outcome != Translation.Refused
            ? outcome == Translation.Done
            : throw new DeviceException($"the {name} at {range.Address} is not in memory");
    }

    /// <inheritdoc/>
    public void OnEvents(LoopWatch watch, LoopEvents events)
    {
        for (int count = 0; count < MissesPerTurnMax; count++)
        {
            if (!_door.TryReadMiss(out ulong address, out VhostAccess access))
            {
                return;
            }

            try
            {
                _ = Grant(address, (MemoryAccess)access, out _);
            }
            catch (LinuxException)
            {
                // The kernel has no room for it now; it misses it again with the next kick.
            }
        }
    }

    /// <summary>Listens no more.</summary>
    public void Dispose()
    {
        _loops[0].Invoke(_watch.Dispose);
        _loops.Dispose();
    }

    /// <summary>The most bytes for which a question is answered with yes, where yes for many means yes for fewer.</summary>
    private static uint LongestOf(uint max, Func<uint, bool> isGood)
    {
        uint good = 0;
        uint bad = max + 1;
        while (bad - good > 1)
        {
            uint middle = good + (bad - good) / 2;
            if (isGood(middle))
            {
                good = middle;
            }
            else
            {
                bad = middle;
            }
        }

        return good;
    }

    private Translation GrantAll(ulong first, ulong last, MemoryAccess access)
    {
        ulong address = first;
        while (true)
        {
            Translation outcome = Grant(address, access, out ulong end);
            if (outcome != Translation.Done || end >= last)
            {
                return outcome;
            }

            address = end + 1;
        }
    }

    /// <summary>Tells the kernel of a piece of memory, in the place of what it was told of it before.</summary>
    /// <param name="address">An address in it.</param>
    /// <param name="access">How the device uses it.</param>
    /// <param name="last">Where it ends.</param>
    private Translation Grant(ulong address, MemoryAccess access, out ulong last)
    {
        last = address;
        if (_memory is not { } memory)
        {
            return Translation.Refused;
        }

        Translation outcome = FindPiece(memory, address, access, out ulong first, out uint length);
        if (outcome != Translation.Done)
        {
            return outcome;
        }

        // All that is allowed at once: what it was told of and may not do, the kernel does not ask for again.
        MemoryAccess allowed = access | memory.AccessOf(new(address));
        if (allowed != access && TryTranslate(memory, first, length, allowed) != Translation.Done)
        {
            allowed = access;
        }

        outcome = TryTranslate(memory, first, length, allowed);
        if (outcome != Translation.Done)
        {
            return outcome;
        }

        last = first + (length - 1);
        _door.ForgetTranslations(first, length);
        uint offset = 0;
        foreach (Segment segment in _segments.Items)
        {
            _door.Translate(new(first + offset, (uint)segment.Length, segment.Address, (VhostAccess)allowed));
            offset += (uint)segment.Length;
        }

        return Translation.Done;
    }

    /// <summary>Finds the page around an address, or as much of it on both sides of the address as is memory.</summary>
    private Translation FindPiece(
        GuestMemory memory,
        ulong address,
        MemoryAccess access,
        out ulong first,
        out uint lengthBytes
    )
    {
        first = address & ~(PageBytes - 1UL);
        lengthBytes = PageBytes;
        Translation outcome = TryTranslate(memory, first, PageBytes, access);
        if (outcome != Translation.Refused)
        {
            return outcome;
        }

        uint before = (uint)(address - first);
        uint behind = LongestOf(PageBytes - before, count => IsMemory(address, count));
        before = LongestOf(before, count => IsMemory(address - count, count));
        first = address - before;
        lengthBytes = before + behind;
        return behind == 0 ? Translation.Refused : Translation.Done;

        bool IsMemory(ulong start, uint count) => TryTranslate(memory, start, count, access) == Translation.Done;
    }

    /// <summary>Translates a range into the list of segments.</summary>
    private Translation TryTranslate(GuestMemory memory, ulong first, uint lengthBytes, MemoryAccess access)
    {
        _segments.Clear();
        return memory.Translate(new(first), lengthBytes, access, _segments);
    }
}
