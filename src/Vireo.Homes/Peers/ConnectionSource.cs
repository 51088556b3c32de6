namespace Vireo.Homes.Peers;

/// <summary>Where a home's connections come from.</summary>
/// <remarks>Used on the control thread only.</remarks>
internal abstract class ConnectionSource : IDisposable
{
    /// <summary>Brings no more connections.</summary>
    public abstract void Pause();

    /// <summary>A connection has come to its end.</summary>
    public virtual void OnEnded() { }

    /// <summary>Closes what the source holds.</summary>
    public abstract void Dispose();
}
