namespace Vireo.Cli.Commands.Images;

/// <summary>A line that says how far something is.</summary>
/// <param name="error">Where it is shown; null for nowhere.</param>
/// <param name="total">What there is to do.</param>
internal sealed class ImageProgress(TextWriter? error, long total) : IDisposable
{
    /// <summary>Hundredths of a percent that were shown last.</summary>
    private long _shown = -1;

    /// <summary>Says how much is done.</summary>
    public void Report(long done)
    {
        long hundredths = total == 0 ? 10_000 : (long)((double)done / total * 10_000);
        if (error is not null && hundredths != _shown)
        {
            _shown = hundredths;
            error.Write($"\r    ({hundredths / 100}.{hundredths % 100:00}/100%)");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => error?.WriteLine();
}
