namespace Vireo.Linux.Events;

/// <summary>How the loops of a group are made.</summary>
public sealed class EventLoopOptions
{
    /// <summary>Name of the threads; the loop's index is put behind it. The kernel shows 15 bytes.</summary>
    public string Name { get; init; } = "loop";

    /// <summary>See <see cref="EventLoop.PollWindow"/>. Zero, the default, sleeps as soon as nothing is to be done.</summary>
    public TimeSpan PollWindow { get; init; } = TimeSpan.Zero;

    /// <summary>See <see cref="EventLoop.AdaptsPollWindow"/>.</summary>
    public bool AdaptsPollWindow { get; init; }

    /// <summary>Processors to pin the threads to: loop i goes to element i modulo the count. Empty for no pinning.</summary>
    public IReadOnlyList<int> Processors { get; init; } = [];

    /// <summary>See <see cref="EventLoop.UnhandledException"/>.</summary>
    public Action<Exception>? UnhandledException { get; init; }
}
