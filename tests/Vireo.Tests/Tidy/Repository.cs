using System.Runtime.CompilerServices;

namespace Vireo.Tests.Tidy;

/// <summary>The checkout that the tests were built from, as text.</summary>
internal static class Repository
{
    /// <summary>The folder that holds Vireo.slnx.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>All source files below a folder of the repository, build outputs left out.</summary>
    public static IEnumerable<string> Files(string folder, string pattern) =>
        Directory
            .EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Where(static path => !IsOutput(path))
            .Order(StringComparer.Ordinal);

    /// <summary>A path as a person would name it.</summary>
    public static string Relative(string path) => Path.GetRelativePath(Root, path);

    private static bool IsOutput(string path) =>
        path.Contains("/artifacts/", StringComparison.Ordinal)
        || path.Contains("/obj/", StringComparison.Ordinal)
        || path.Contains("/bin/", StringComparison.Ordinal)
        || path.Contains("/.git/", StringComparison.Ordinal);

    private static string FindRoot([CallerFilePath] string here = "")
    {
        string? folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "Vireo.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException($"no Vireo.slnx above {here}");
    }
}
