namespace Vireo.Cli.Record;

/// <summary>What became of a replay.</summary>
/// <param name="SentCount">How many messages were sent.</param>
/// <param name="Differences">Where the back-end answered otherwise than it did in the recording, each in a sentence.</param>
/// <param name="Failure">Why the replay ended early; null when it went to the end.</param>
internal sealed record ReplayOutcome(int SentCount, IReadOnlyList<string> Differences, string? Failure);
