namespace Vireo.Cli.Commands;

/// <summary>What stands behind a device in layers; released from the top to the bottom.</summary>
/// <param name="bottom">The lowest layer; null when it holds nothing.</param>
internal sealed class BackendStack(IDisposable? bottom) : IDisposable
{
    private readonly Stack<IDisposable> _layers = new(bottom is null ? [] : [bottom]);

    /// <summary>Puts a layer on top.</summary>
    public void Add(IDisposable layer) => _layers.Push(layer);

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_layers.TryPop(out IDisposable? layer))
        {
            layer.Dispose();
        }
    }
}
