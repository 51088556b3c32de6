namespace Vireo.GuestTests.Rig;

/// <summary>Something outside the test program did not do what the test wanted of it.</summary>
/// <remarks>The message ends with the last lines that were seen and the path of the whole transcript.</remarks>
public sealed class GuestException : Exception
{
    public GuestException(string message, Transcript transcript)
        : base($"{message}\n{transcript.Tail(LastLines)}\nWhole transcript: {transcript.Path}") { }

    private const int LastLines = 25;
}
