using System.CommandLine;
using Vireo.Cli.Help;

namespace Vireo.Tests.Cli.Help;

public sealed class SpellingTests
{
    [Theory]
    [InlineData("--read-ony", "--read-only")]
    [InlineData("--readonly", "--read-only")]
    [InlineData("--reda-only=yes", "--read-only")]
    [InlineData("--ro", "--rw")]
    [InlineData("--something-else", null)]
    [InlineData("x", null)]
    public void Suggest_NearWord_IsFound(string word, string? expected)
    {
        var root = new RootCommand { new Option<bool>("--read-only", "--rw") };

        Assert.Equal(expected, Spelling.Suggest(root.Parse([word])));
    }

    [Fact]
    public void Suggest_AllWordsKnown_IsNull()
    {
        var root = new RootCommand { new Option<bool>("--read-only") };

        Assert.Null(Spelling.Suggest(root.Parse(["--read-only"])));
    }
}
