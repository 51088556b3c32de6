namespace Vireo.GuestTests.Rig;

/// <summary>Where things are: the repository, what was built from it, and where tests leave what they found.</summary>
public static class Repository
{
    /// <summary>The folder that holds Vireo.slnx.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The built command line, of the same configuration (release, debug) as the tests.</summary>
    public static string VireoProgram { get; } = Built("Vireo.Cli", "vireo");

    /// <summary>The built drivers of ours that make checks of their own.</summary>
    public static string DriverProgram { get; } = Built("Vireo.GuestDriver", "vireo-driver");

    /// <summary>Where transcripts of failed tests are kept.</summary>
    public static string Transcripts { get; } = Path.Combine(Root, "artifacts/transcripts");

    private static string Built(string project, string program) =>
        Path.Combine(Root, "artifacts/bin", project, Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')), program);

    private static string FindRoot()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Vireo.slnx")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException($"'{AppContext.BaseDirectory}' is not inside the repository.");
    }
}
