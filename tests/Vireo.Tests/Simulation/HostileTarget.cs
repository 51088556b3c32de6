using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Homes.Loopback;

namespace Vireo.Tests.Simulation;

/// <summary>A device under attack: how to make one, what a request for it looks like, and how to see that it works.</summary>
internal abstract class HostileTarget : IDisposable
{
    /// <summary>Makes the device; what it stands on stays this object's.</summary>
    public abstract VirtioDevice CreateDevice();

    /// <summary>Takes guest memory for requests.</summary>
    public abstract void Prepare(LoopbackHome home);

    /// <summary>A request as a well-meaning driver would send it; what it asks for is random.</summary>
    /// <param name="random">Decides.</param>
    /// <param name="pieces">Receives the pieces, readable ones first.</param>
    /// <returns>How many of them are readable.</returns>
    public abstract int MakeRequest(Random random, List<GuestRange> pieces);

    /// <summary>Uses the device as a driver does that means well, and checks the answer.</summary>
    public abstract void AssertWorks(LoopbackHome home);

    public abstract void Dispose();
}
