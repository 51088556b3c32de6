namespace Vireo.Core.Memory;

/// <summary>The outcome of translating a guest range to host memory.</summary>
public enum Translation
{
    /// <summary>The whole range lies in memory; segments were produced.</summary>
    Done,

    /// <summary>The range lies outside memory, wraps, or may not be used that way: the driver erred.</summary>
    Refused,

    /// <summary>An I/O translation has been asked for; try again when it has come.</summary>
    Pending,
}
