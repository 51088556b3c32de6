using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost.Kernel;

/// <summary>Answers a kernel that asks where the driver's addresses lie, because an I/O translation stands in front of its memory.</summary>
/// <remarks>
/// A thread of its own reads what the kernel has missed and tells it whole pages. What is not known yet has been asked for by then: when it
/// comes the home lets the rings look again, the kernel misses it again, and is told. An address that is nowhere is not answered: its ring
/// stands still, as where an IOMMU refuses.
/// </remarks>
internal sealed class VhostTranslations : ILoopWatcher, IDisposable
{
    private const uint PageBytes = 4096;

    /// <summary>More than this many pages are not remembered: twice what the kernel keeps.</summary>
    private const int PagesMax = 4096;

    private const int MissesPerTurnMax = 256;

    private readonly IVhostKernelDevice _door;
    private readonly EventLoopGroup _loops;
    private readonly LoopWatch _watch;

    /// <summary>What the device may do with the pages it was told; on the loop's thread, as all that follows.</summary>
    private readonly Dictionary<ulong, MemoryAccess> _granted = [];

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
                _granted.Clear();
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
            ulong first = PageOf(range.Address.Value);
            ulong pages = (PageOf(range.Address.Value + (range.LengthBytes - 1)) - first) / PageBytes + 1;
            _loops[0].Invoke(() => outcome = GrantAll(first, pages, access));
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
                _ = Grant(PageOf(address), (MemoryAccess)access);
            }
            catch (LinuxException)
            {
                // The kernel has no room for it, and will miss it again.
            }
        }
    }

    /// <summary>Listens no more.</summary>
    public void Dispose()
    {
        _loops[0].Invoke(_watch.Dispose);
        _loops.Dispose();
    }

    private static ulong PageOf(ulong address) => address & ~(PageBytes - 1UL);

    private Translation GrantAll(ulong first, ulong pages, MemoryAccess access)
    {
        Translation outcome = Translation.Done;
        for (ulong index = 0; index < pages && outcome == Translation.Done; index++)
        {
            outcome = Grant(first + index * PageBytes, access);
        }

        return outcome;
    }

    /// <summary>Tells the kernel of a page: a page has one translation at most, whose access only grows.</summary>
    private Translation Grant(ulong page, MemoryAccess access)
    {
        if (_memory is not { } memory)
        {
            return Translation.Refused;
        }

        bool isTold = _granted.TryGetValue(page, out MemoryAccess before);
        MemoryAccess wanted = before | access;
        _segments.Clear();
        Translation outcome = memory.Translate(new(page), PageBytes, wanted, _segments);
        if (outcome != Translation.Done)
        {
            return outcome;
        }

        if (isTold)
        {
            _door.ForgetTranslations(page, PageBytes);
        }
        else if (_granted.Count >= PagesMax)
        {
            // Forgotten on both sides: what is needed of it is asked for again.
            _granted.Clear();
            _door.ForgetTranslations(0, ulong.MaxValue);
        }

        uint offset = 0;
        foreach (Segment segment in _segments.Items)
        {
            _door.Translate(new(page + offset, (uint)segment.Length, segment.Address, (VhostAccess)wanted));
            offset += (uint)segment.Length;
        }

        _granted[page] = wanted;
        return Translation.Done;
    }
}
