namespace Vireo.GuestTests.Rig;

/// <summary>The signals tests send, with the kernel's numbers.</summary>
public enum UnixSignal
{
    Hangup = 1,
    Interrupt = 2,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}
