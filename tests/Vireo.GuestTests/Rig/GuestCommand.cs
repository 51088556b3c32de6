using System.Globalization;

namespace Vireo.GuestTests.Rig;

/// <summary>A script that runs in a guest.</summary>
public sealed class GuestCommand
{
    private readonly Guest _guest;
    private readonly LineLog _lines;
    private readonly int _id;
    private readonly int _first;
    private int _next;

    public GuestCommand(Guest guest, LineLog lines, int id, int first)
    {
        _guest = guest;
        _lines = lines;
        _id = id;
        _first = first;
        _next = first;
    }

    /// <summary>Waits for a line of its output that contains a text, behind the last one waited for.</summary>
    /// <exception cref="GuestException">The script ended without it, the guest is gone, or the time is up.</exception>
    public string WaitForLine(string part, TimeSpan? timeout = null)
    {
        TimeSpan limit = timeout ?? RigTimeouts.Command;
        int number = _lines.WaitFor(
            line => IsExit(line) || line.Contains(part, StringComparison.Ordinal),
            _next,
            limit
        );
        string? line = number < 0 ? null : _lines.Lines(number, number + 1)[0];
        if (line is null || IsExit(line))
        {
            string what = line is null ? "did not come" : "never came: the script ended";
            throw _guest.Failure($"'{part}' {what} in the output of a script (limit {limit.TotalSeconds} s).");
        }

        _next = number + 1;
        return line;
    }

    /// <summary>Waits for the end and gives the exit status and all output.</summary>
    /// <exception cref="GuestException">The guest is gone or the time is up.</exception>
    public (int Status, IReadOnlyList<string> Output) Wait(TimeSpan? timeout = null)
    {
        TimeSpan limit = timeout ?? RigTimeouts.Command;
        int number = _lines.WaitFor(IsExit, _first, limit);
        if (number < 0)
        {
            throw _guest.Failure($"A script did not end within {limit.TotalSeconds} s.");
        }

        string exit = _lines.Lines(number, number + 1)[0];
        int at = exit.IndexOf(Mark, StringComparison.Ordinal);
        int status = int.Parse(exit.AsSpan(at + Mark.Length), CultureInfo.InvariantCulture);
        IReadOnlyList<string> output = _lines.Lines(_first, number);
        // Output that did not end with a newline stands before the agent's mark.
        return (status, at == 0 ? output : [.. output, exit[..at]]);
    }

    private string Mark => $"{GuestAgent.Separator}exit {_id} ";

    private bool IsExit(string line) => line.Contains(Mark, StringComparison.Ordinal);
}
