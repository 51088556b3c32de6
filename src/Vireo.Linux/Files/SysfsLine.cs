using System.Globalization;

namespace Vireo.Linux.Files;

/// <summary>What sysfs says in a file of one line.</summary>
internal static class SysfsLine
{
    /// <summary>Reads a number; 0 where there is none.</summary>
    public static long Number(string path) =>
        long.TryParse(Text(path), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;

    /// <summary>Reads a word; empty where there is none.</summary>
    public static string Text(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
