namespace Vireo.Backends.Net.User;

/// <summary>What passt is told.</summary>
public sealed record UserPortOptions
{
    /// <summary>The program: a name that is looked for in PATH, or a path.</summary>
    public string Program { get; init; } = "passt";

    /// <summary>Further words for it, such as <c>--tcp-ports 2222:22</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}
