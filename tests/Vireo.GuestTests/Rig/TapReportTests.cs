using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>A report is good only when everything that was planned was reported, in order, and was good.</summary>
public sealed class TapReportTests
{
    [Theory]
    [InlineData("ok 1 - a\nok 2 - b\n1..2")]
    [InlineData("1..1\n# comment\nok 1 - a\nanything else")]
    public void Parse_PlanFulfilled_IsGood(string text)
    {
        Assert.True(TapReport.Parse(text.Split('\n')).IsGood);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ok 1 - a")]
    [InlineData("1..0")]
    [InlineData("1..2\nok 1 - a")]
    [InlineData("ok 1 - a\nok 2 - b\n1..1")]
    [InlineData("ok 1 - a\nnot ok 2 - b\n1..2")]
    [InlineData("ok 2 - a\nok 1 - b\n1..2")]
    [InlineData("ok 1 - a # SKIP there is none\n1..1")]
    [InlineData("ok 1 - a\n1..1\n1..1")]
    [InlineData("ok 1 - a\nBail out! enough\n1..1")]
    public void Parse_AnythingMissingOrBad_IsNotGood(string text)
    {
        var report = TapReport.Parse(text.Split('\n'));

        Assert.False(report.IsGood);
        Assert.NotEmpty(report.Describe());
    }
}
