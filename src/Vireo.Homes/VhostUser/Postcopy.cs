using Vireo.Core.Memory;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VhostUser;

/// <summary>Post-copy migration: this device runs while the pages of the driver's memory are still on their way.</summary>
/// <remarks>
/// The front-end supplies pages that are touched before they have come. It must know where they lie in this process before any of
/// them is touched, so no queue runs between the answer with these addresses and the front-end's word that it has them.
/// <code>
///   off ──ADVISE──▶ advised ──LISTEN──▶ listening ──memory, answered──▶ waiting ──its word──▶ listening, faults go to the front-end
///    ▲                                      │
///    └───────────────── END ────────────────┘
/// </code>
/// </remarks>
internal sealed class Postcopy : IDisposable
{
    private Userfault? _userfault;

    /// <summary>See <see cref="IsListening"/>; queue loops look at it.</summary>
    private volatile bool _isListening;

    /// <summary>Whether memory that comes now is to be watched, and pages may be missing. Any thread.</summary>
    public bool IsListening => _isListening;

    /// <summary>Whether the front-end has yet to say that it knows our addresses: nothing may be touched until then.</summary>
    public bool IsWaiting { get; private set; }

    /// <summary>A post-copy migration may come.</summary>
    /// <returns>The descriptor for the front-end; stays this object's.</returns>
    /// <exception cref="RefusalException">This process may not have one.</exception>
    public Userfault Advise()
    {
        Abort();
        try
        {
            _userfault = Userfault.Open();
            return _userfault;
        }
        catch (LinuxException exception)
        {
            throw new RefusalException(exception.Message, exception);
        }
    }

    /// <summary>It has come: memory is watched from here on.</summary>
    /// <param name="hasMemory">Whether there is memory already, whose place in this process the front-end was never told.</param>
    /// <exception cref="ProtocolException">It was not advised before.</exception>
    /// <exception cref="RefusalException">There is memory already.</exception>
    public void Listen(bool hasMemory)
    {
        if (_userfault is null)
        {
            throw new ProtocolException("post-copy begins, and was not announced by POSTCOPY_ADVISE");
        }

        if (hasMemory)
        {
            throw new RefusalException("post-copy begins, and there is memory already");
        }

        _isListening = true;
    }

    /// <summary>Memory in which pages may be missing, for queues to use.</summary>
    /// <param name="memory">All of the memory.</param>
    /// <returns>The same, and whoever finds something in it has waited for it; as it is while no pages are missing.</returns>
    public GuestMemory Await(GuestMemory memory) => IsListening ? new LateMemory(memory, this) : memory;

    /// <summary>Memory has come while listening; it must not be touched until <see cref="Arm"/>.</summary>
    public void Expect() => IsWaiting = true;

    /// <summary>The front-end knows our addresses: it is told of pages that are missing from here on.</summary>
    /// <param name="table">The memory; what is watched already stays so.</param>
    /// <exception cref="RefusalException">The memory is not of a kind that can be watched.</exception>
    public void Arm(MemoryTable table)
    {
        table.Watch(_userfault!);
        IsWaiting = false;
    }

    /// <summary>All pages have come.</summary>
    public void End()
    {
        _userfault?.End();
        Close();
    }

    /// <summary>The connection ends. Pages that never came must not end on a disk as zeros.</summary>
    public void Abort()
    {
        if (IsListening)
        {
            // On kernels that cannot do this the guest's last writes may hold zeros; the guest itself is lost in either case.
            _ = _userfault!.TryPoison();
        }

        Close();
    }

    /// <summary>Ends as a connection does that is over.</summary>
    public void Dispose() => Abort();

    private void Close()
    {
        _userfault?.Dispose();
        _userfault = null;
        _isListening = false;
        IsWaiting = false;
    }
}
