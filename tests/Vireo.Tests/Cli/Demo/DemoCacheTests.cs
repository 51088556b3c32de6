using Vireo.Cli;
using Vireo.Cli.Demo;

namespace Vireo.Tests.Cli.Demo;

public sealed class DemoCacheTests
{
    [Theory]
    [InlineData("/chosen", "/cache", "/home", "/chosen")]
    [InlineData("", "/cache", "/home", "/cache/vireo")]
    [InlineData(null, null, "/home", "/home/.cache/vireo")]
    public void Folder_IsWhereTheScriptsPutIt(string? chosen, string? cache, string home, string expected)
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["VIREO_CACHE"] = chosen,
            ["XDG_CACHE_HOME"] = cache,
            ["HOME"] = home,
        };

        Assert.Equal(expected, DemoCache.Folder(name => variables[name]));
    }

    [Fact]
    public void Folder_NoHome_SaysWhatToSet() =>
        Assert.Contains(
            "VIREO_CACHE",
            Assert.Throws<CommandException>(() => DemoCache.Folder(_ => null)).Message,
            StringComparison.Ordinal
        );
}
