using System.Globalization;
using System.Text.RegularExpressions;

namespace Vireo.GuestTests.Rig;

/// <summary>What a script reported by the Test Anything Protocol: a plan "1..N" and lines "ok N - name" or "not ok N - name".</summary>
public sealed partial class TapReport
{
    /// <summary>A line takes microseconds.</summary>
    private const int MatchMs = 1000;

    private readonly List<string> _problems = [];
    private int? _planned;

    private TapReport() { }

    /// <summary>How many points were reported as good.</summary>
    public int Passed { get; private set; }

    /// <summary>Whether there was a plan, it was fulfilled, and every point was good. A skipped point is not.</summary>
    public bool IsGood => _problems.Count == 0;

    /// <summary>What was wrong, one line each.</summary>
    public string Describe() => string.Join('\n', _problems);

    public static TapReport Parse(IEnumerable<string> lines)
    {
        var report = new TapReport();
        int number = 0;
        foreach (string line in lines)
        {
            report.Take(line, ref number);
        }

        if (report._planned is null)
        {
            report._problems.Add("there was no plan (1..N)");
        }
        else if (report._planned != number || number == 0)
        {
            report._problems.Add($"{report._planned} points were planned and {number} reported");
        }

        return report;
    }

    private void Take(string line, ref int number)
    {
        if (Plan().Match(line) is { Success: true } plan)
        {
            if (_planned is not null)
            {
                _problems.Add("there were two plans");
            }

            _planned = int.Parse(plan.Groups["count"].ValueSpan, CultureInfo.InvariantCulture);
        }
        else if (line.StartsWith("Bail out!", StringComparison.Ordinal))
        {
            _problems.Add(line);
        }
        else if (Point().Match(line) is { Success: true } point)
        {
            number++;
            Judge(line, point, number);
        }
    }

    private void Judge(string line, Match point, int number)
    {
        if (
            point.Groups["number"] is { Success: true } given
            && int.Parse(given.ValueSpan, CultureInfo.InvariantCulture) != number
        )
        {
            _problems.Add($"out of order: {line}");
        }

        if (point.Groups["not"].Success || line.Contains("# SKIP", StringComparison.OrdinalIgnoreCase))
        {
            _problems.Add(line);
        }
        else
        {
            Passed++;
        }
    }

    [GeneratedRegex(@"^1\.\.(?<count>[0-9]{1,6})\s*$", RegexOptions.ExplicitCapture, MatchMs)]
    private static partial Regex Plan();

    [GeneratedRegex(@"^(?<not>not )?ok\b *(?<number>[0-9]{1,6})?", RegexOptions.ExplicitCapture, MatchMs)]
    private static partial Regex Point();
}
