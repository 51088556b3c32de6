namespace Vireo.Core.Memory;

/// <summary>Several copies that are under way together, and what is done when all have ended.</summary>
/// <remarks>One control thread. The step is open until <see cref="Close"/>, so that what ends at once does not end it.</remarks>
public sealed class DistantStep
{
    private readonly Action<DistantStep> _then;

    /// <summary>How many copies are under way; the asker counts as one until the step is closed.</summary>
    private int _pending = 1;

    /// <summary>Opens a step.</summary>
    /// <param name="then">What is done at its end.</param>
    public DistantStep(Action<DistantStep> then) => _then = then;

    /// <summary>Why a copy failed, in a sentence; null when none did.</summary>
    public string? Failure { get; private set; }

    /// <summary>A copy has begun.</summary>
    public void Begin() => _pending++;

    /// <summary>A copy has ended.</summary>
    /// <param name="failure">Why it failed; null when it did not.</param>
    public void End(string? failure = null)
    {
        Failure ??= failure;
        _pending--;
        if (_pending == 0)
        {
            _then(this);
        }
    }

    /// <summary>Nothing more belongs to the step.</summary>
    public void Close() => End();
}
