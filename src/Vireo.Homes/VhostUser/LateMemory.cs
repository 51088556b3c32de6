using Vireo.Core.Memory;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>Memory whose pages come when they are used: whoever finds something in it has waited for it.</summary>
/// <remarks>
/// So queues wait in a system call, and touch only what has come: a garbage collection does not wait with them. Costs a call for each
/// translation while post-copy goes on, and a look at a flag after that.
/// </remarks>
internal sealed class LateMemory : GuestMemory
{
    private readonly GuestMemory _memory;
    private readonly Postcopy _postcopy;

    /// <summary>Waits for what is in a memory.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="postcopy">Says how long pages may be missing.</param>
    public LateMemory(GuestMemory memory, Postcopy postcopy)
    {
        _memory = memory;
        _postcopy = postcopy;
    }

    /// <inheritdoc/>
    public override DirtyLog? DirtyLog => _memory.DirtyLog;

    /// <inheritdoc/>
    public override Translation Translate(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        SegmentList segments
    )
    {
        int before = segments.Count;
        Translation outcome = _memory.Translate(address, lengthBytes, access, segments);
        if (outcome == Translation.Done && _postcopy.IsListening)
        {
            foreach (ref readonly Segment segment in segments.Items[before..])
            {
                LatePages.Wait(segment.Address, (nuint)segment.Length);
            }
        }

        return outcome;
    }

    /// <inheritdoc/>
    public override Translation TranslateContiguous(
        GuestAddress address,
        uint lengthBytes,
        MemoryAccess access,
        out Segment segment
    )
    {
        Translation outcome = _memory.TranslateContiguous(address, lengthBytes, access, out segment);
        if (outcome == Translation.Done && _postcopy.IsListening)
        {
            LatePages.Wait(segment.Address, (nuint)segment.Length);
        }

        return outcome;
    }

    /// <inheritdoc/>
    public override MemoryAccess AccessOf(GuestAddress address) => _memory.AccessOf(address);

    /// <inheritdoc/>
    public override Translation Resolve(GuestRange range, ICollection<GuestRange> ranges) =>
        _memory.Resolve(range, ranges);
}
