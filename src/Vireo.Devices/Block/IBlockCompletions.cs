namespace Vireo.Devices.Block;

/// <summary>Who is told that a channel's requests have ended.</summary>
public interface IBlockCompletions
{
    /// <summary>A request has ended. Called on the queue's loop, once for each request, also from within the call that made it.</summary>
    /// <param name="tag">The request's name, free again from here on.</param>
    /// <param name="result">How it ended.</param>
    void Complete(uint tag, BlockResult result);
}
