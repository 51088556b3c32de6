namespace Vireo.GuestTests.Rig;

/// <summary>A class whose tests take more than half a minute together; it is started before the others.</summary>
/// <param name="seconds">About how many seconds they take on two processors.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class TakesLongAttribute(int seconds) : Attribute
{
    /// <summary>About how many seconds the tests of the class take on two processors.</summary>
    public int Seconds { get; } = seconds;
}
