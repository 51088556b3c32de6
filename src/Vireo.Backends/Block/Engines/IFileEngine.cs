namespace Vireo.Backends.Block.Engines;

/// <summary>Carries out requests on a file for one queue, without waiting.</summary>
/// <remarks>Knows files and memory, no formats: what a short read means, or where a cluster lies, its user knows.</remarks>
internal interface IFileEngine : IDisposable
{
    /// <summary>Joins the queue's loop. Any thread.</summary>
    void Start();

    /// <summary>Begins a request. On the loop's thread; at most as many at once as the engine was made for.</summary>
    /// <param name="tag">Names the request; not in use by another, below the number the engine was made for.</param>
    /// <param name="request">The work.</param>
    void Submit(uint tag, in FileRequest request);
}
