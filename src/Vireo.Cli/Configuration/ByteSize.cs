using System.Globalization;

namespace Vireo.Cli.Configuration;

/// <summary>Sizes as people write them: <c>512M</c>, <c>1.5G</c> is not one, <c>4096</c> is.</summary>
internal static class ByteSize
{
    private const string Units = "KMGTPE";

    /// <summary>Reads a whole number of bytes, or of KiB, MiB, GiB, TiB, PiB or EiB when a unit's letter follows.</summary>
    /// <returns>The bytes; null when it is no such number or larger than 2^63 - 1.</returns>
    public static long? TryParse(string text)
    {
        string digits = text;
        int shift = 0;
        if (
            text.Length > 1
            && Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal) is >= 0 and var unit
        )
        {
            digits = text[..^1];
            shift = 10 * (unit + 1);
        }

        bool isNumber = long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number);
        return isNumber && number <= long.MaxValue >> shift ? number << shift : null;
    }

    /// <summary>Writes a size in the largest unit that keeps it a whole number.</summary>
    public static string Format(long bytes)
    {
        int unit = -1;
        while (bytes != 0 && bytes % 1024 == 0 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        string number = bytes.ToString(CultureInfo.InvariantCulture);
        return unit < 0 ? number : number + Units[unit];
    }
}
