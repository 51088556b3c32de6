namespace Vireo.Cli.Homes;

/// <summary>Every home the command line knows.</summary>
internal static class HomeCatalog
{
    /// <summary>Makes one choice of each home, for one command.</summary>
    public static IReadOnlyList<HomeChoice> CreateAll() => [new VhostUserChoice()];
}
