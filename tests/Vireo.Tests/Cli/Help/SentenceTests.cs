using Vireo.Cli.Help;

namespace Vireo.Tests.Cli.Help;

public sealed class SentenceTests
{
    [Theory]
    [InlineData("Could not find file '/x'.", "could not find file '/x'")]
    [InlineData("IO failed.\nSecond line", "IO failed")]
    [InlineData("openat '/x': no such file (ENOENT)", "openat '/x': no such file (ENOENT)")]
    [InlineData("", "")]
    public void FromSystem_BecomesPartOfASentence(string message, string expected) =>
        Assert.Equal(expected, Sentence.FromSystem(message));

    [Fact]
    public void FromParser_SeveralLines_BecomeOne() =>
        Assert.Equal(
            "argument 'x' not recognized, must be one of: 'a' 'b'",
            Sentence.FromParser("Argument 'x' not recognized. Must be one of:\n\t'a'\n\t'b'\n")
        );
}
