namespace Vireo.Cli.Help;

/// <summary>Turns other people's error messages into parts of our one sentence.</summary>
internal static class Sentence
{
    private static readonly char[] Gaps = [' ', '\t', '\r', '\n'];

    /// <summary>A message of the parser: begun in lower case, without the full stop.</summary>
    public static string FromParser(string message)
    {
        string line = string.Join(' ', message.Split(Gaps, StringSplitOptions.RemoveEmptyEntries));
        return FromSystem(line).Replace(". Must be", ", must be", StringComparison.Ordinal);
    }

    /// <summary>A message of the runtime or the kernel: one line, begun in lower case, without the full stop.</summary>
    public static string FromSystem(string message)
    {
        int lineEnd = message.AsSpan().IndexOfAny('\r', '\n');
        string line = (lineEnd < 0 ? message : message[..lineEnd]).TrimEnd('.', ' ');
        bool startsAsWord = line.Length > 1 && char.IsUpper(line[0]) && char.IsLower(line[1]);
        return startsAsWord ? char.ToLowerInvariant(line[0]) + line[1..] : line;
    }
}
