namespace Vireo.GuestTests.Rig;

/// <summary>How long the rig waits before it calls something dead: long, since emulated guests share a busy machine.</summary>
public static class RigTimeouts
{
    /// <summary>From QEMU's start to a guest that obeys. It takes 5 s on a quiet machine without KVM.</summary>
    public static TimeSpan Boot { get; } = TimeSpan.FromSeconds(180);

    /// <summary>One command in a guest, unless the test knows better.</summary>
    public static TimeSpan Command { get; } = TimeSpan.FromSeconds(120);

    /// <summary>A program on the host: its start, or its end.</summary>
    public static TimeSpan Program { get; } = TimeSpan.FromSeconds(60);
}
