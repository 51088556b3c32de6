using System.CommandLine;

namespace Vireo.Cli.Help;

/// <summary>Finds what a mistyped word was meant to be.</summary>
internal static class Spelling
{
    /// <summary>Words that differ in more letters than this are different words.</summary>
    private const int DifferenceMax = 3;

    /// <summary>The known word nearest to the first one the parser did not know.</summary>
    /// <returns>Null when nothing is near, or when every word was known.</returns>
    public static string? Suggest(ParseResult result)
    {
        if (result.UnmatchedTokens.Count == 0)
        {
            return null;
        }

        string word = result.UnmatchedTokens[0];
        int valueStart = word.IndexOf('=', StringComparison.Ordinal);
        if (valueStart > 0)
        {
            word = word[..valueStart];
        }

        string? best = null;
        // Half of a short word replaced makes another word.
        int bestDifference = Math.Min(DifferenceMax, word.Length / 2) + 1;
        foreach (string candidate in Candidates(result.CommandResult.Command))
        {
            int difference = Difference(word, candidate);
            if (difference < bestDifference)
            {
                best = candidate;
                bestDifference = difference;
            }
        }

        return best;
    }

    private static IEnumerable<string> Candidates(Command command)
    {
        foreach (Command subcommand in command.Subcommands)
        {
            yield return subcommand.Name;
        }

        foreach (Option option in command.Options)
        {
            yield return option.Name;
            foreach (string alias in option.Aliases)
            {
                yield return alias;
            }
        }
    }

    /// <summary>How many letters have to be added, removed or changed to get from one word to the other.</summary>
    private static int Difference(string left, string right)
    {
        int[] previous = new int[right.Length + 1];
        int[] current = new int[right.Length + 1];
        for (int column = 0; column <= right.Length; column++)
        {
            previous[column] = column;
        }

        for (int row = 1; row <= left.Length; row++)
        {
            current[0] = row;
            for (int column = 1; column <= right.Length; column++)
            {
                int change = left[row - 1] == right[column - 1] ? 0 : 1;
                int removal = Math.Min(previous[column], current[column - 1]) + 1;
                current[column] = Math.Min(removal, previous[column - 1] + change);
            }

            (previous, current) = (current, previous);
        }

        return previous[right.Length];
    }
}
