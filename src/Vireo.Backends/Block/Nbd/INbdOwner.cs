using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Nbd;

/// <summary>Who has made requests to a server.</summary>
internal interface INbdOwner
{
    /// <summary>Whether its requests fail when the connection is lost, instead of waiting for another one. Guarded by the client's lock.</summary>
    bool IsStopping { get; set; }

    /// <summary>A request has ended and nobody touches its memory any more. On any thread; must not wait.</summary>
    void Complete(NbdRequest request, BlockResult result);
}
