namespace Vireo.Tests.Fakes;

/// <summary>Asserts that work allocates nothing once it is warm.</summary>
internal static class Allocations
{
    /// <summary>
    /// The runtime itself allocates a little when it compiles a method anew or loads a type; an allocation of the work shows
    /// in every round.
    /// </summary>
    private const int Rounds = 5;

    /// <summary>Asserts that in at least one round of work, on this thread, not a byte was allocated.</summary>
    public static void AssertNone(Action work)
    {
        long allocated = -1;
        for (int round = 0; round < Rounds && allocated != 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
    }
}
