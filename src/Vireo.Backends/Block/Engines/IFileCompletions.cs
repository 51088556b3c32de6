namespace Vireo.Backends.Block.Engines;

/// <summary>Who is told that an engine's requests have ended.</summary>
internal interface IFileCompletions
{
    /// <summary>A request has ended. Called on the engine's loop, never during the call that submitted it.</summary>
    /// <param name="tag">The request's name, free again.</param>
    /// <param name="result">Bytes for a read or write, 0 for others; or a negated <see cref="Linux.Errno"/>.</param>
    void Complete(uint tag, int result);
}
