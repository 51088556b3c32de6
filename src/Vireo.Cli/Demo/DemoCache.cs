namespace Vireo.Cli.Demo;

/// <summary>Where downloads are kept: the same place that the scripts of <c>eng/guest</c> use.</summary>
internal static class DemoCache
{
    /// <summary>The folder; may not exist yet.</summary>
    /// <param name="environment">Reads an environment variable; null when it is not set.</param>
    /// <exception cref="CommandException">There is no home to put it in.</exception>
    public static string Folder(Func<string, string?> environment)
    {
        if (environment("VIREO_CACHE") is { Length: > 0 } chosen)
        {
            return chosen;
        }

        if (environment("XDG_CACHE_HOME") is { Length: > 0 } cache)
        {
            return Path.Combine(cache, "vireo");
        }

        return environment("HOME") is { Length: > 0 } home
            ? Path.Combine(home, ".cache", "vireo")
            : throw new CommandException("downloads have no place to go; set VIREO_CACHE to a folder of yours");
    }
}
