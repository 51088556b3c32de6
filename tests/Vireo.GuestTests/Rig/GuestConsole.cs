namespace Vireo.GuestTests.Rig;

/// <summary>The guest's console: what firmware and kernel print, and what can be typed to them.</summary>
public sealed class GuestConsole
{
    private readonly SerialChannel _channel;
    private readonly Transcript _transcript;
    private int _next;

    public GuestConsole(SerialChannel channel, Transcript transcript)
    {
        _channel = channel;
        _transcript = transcript;
    }

    /// <summary>Waits until a line behind the last expected one, perhaps an unfinished one, contains a text; gives the line.</summary>
    /// <exception cref="GuestException">It did not come in time, or the guest ended.</exception>
    public string Expect(string part, TimeSpan? timeout = null)
    {
        TimeSpan limit = timeout ?? RigTimeouts.Boot;
        string? found = null;
        int number = _channel.Lines.WaitFor(
            line =>
            {
                found = line;
                return line.Contains(part, StringComparison.Ordinal);
            },
            _next,
            limit,
            matchesUnfinished: true
        );
        if (number < 0)
        {
            throw new GuestException($"The console did not show '{part}' within {limit.TotalSeconds} s.", _transcript);
        }

        _next = number + 1;
        return found!;
    }

    /// <summary>Whether any line so far contains a text.</summary>
    public bool HasShown(string part) =>
        _channel.Lines.Lines().Any(line => line.Contains(part, StringComparison.Ordinal));

    /// <summary>Types a text.</summary>
    public void Send(string text) => _channel.Send(text);
}
