using System.Globalization;

namespace Vireo.Linux.Memory;

/// <summary>What the system says about its huge pages.</summary>
public static class HugePages
{
    private const string Field = "Hugepagesize:";

    /// <summary>Size in bytes of the huge pages used where none is named; of an ordinary page where there are none.</summary>
    public static nuint DefaultSizeBytes
    {
        get
        {
            foreach (string line in File.ReadLines("/proc/meminfo"))
            {
                if (line.StartsWith(Field, StringComparison.Ordinal))
                {
                    ReadOnlySpan<char> value = line.AsSpan(Field.Length).Trim();
                    int end = value.IndexOf(' ');
                    return nuint.Parse(value[..end], CultureInfo.InvariantCulture) * 1024;
                }
            }

            return (nuint)Environment.SystemPageSize;
        }
    }
}
