using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Tests.Tidy;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The tables in docs/homes/vhost-user.md name every message and bit, and tests that are there.</summary>
public sealed class ProtocolTableTests
{
    private static readonly Regex Test = new(
        "`(?<class>[A-Za-z]+Tests)([.](?<method>[A-Za-z0-9_]+[*]?))?`",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        TimeSpan.FromSeconds(1)
    );

    public static TheoryData<string, int, int> Tables =>
        new()
        {
            { "| no. | message |", 1, (int)FrontEndRequest.GetRingBaseSkipDrain },
            { "| no. | request of the back-end |", 1, (int)BackEndRequest.SharedMemoryUnmap },
            { "| bit | feature |", 0, ProtocolFeature.GetRingBaseSkipDrain },
        };

    [Theory]
    [MemberData(nameof(Tables))]
    public void Table_OfThePage_HasEveryNumberOnce(string head, int first, int last) =>
        Assert.Equal(
            Enumerable.Range(first, last - first + 1),
            Rows(head).Select(static row => int.Parse(row.Split('|')[1], CultureInfo.InvariantCulture))
        );

    [Theory]
    [MemberData(nameof(Tables))]
    public void Table_OfThePage_NamesTestsThatAreThere(string head, int first, int last)
    {
        string[] rows = [.. Rows(head)];
        Assert.Equal(last - first + 1, rows.Length);
        Assert.All(
            rows,
            static row =>
            {
                MatchCollection named = Test.Matches(row);
                Assert.NotEmpty(named);
                Assert.All(named, static test => Assert.True(IsThere(test), $"no test {test.Value}"));
            }
        );
    }

    [Fact]
    public void Messages_TheHomeKnows_AreAll()
    {
        Assert.Equal(
            Enumerable.Range(1, (int)FrontEndRequest.GetRingBaseSkipDrain),
            MessageTable.All.Select(static kind => (int)kind.Request)
        );
    }

    private static IEnumerable<string> Rows(string head) =>
        File.ReadLines(Path.Combine(Repository.Root, "docs/homes/vhost-user.md"))
            .SkipWhile(line => !line.StartsWith(head, StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(static line => line.StartsWith('|'));

    private static bool IsThere(Match test)
    {
        string method = test.Groups["method"].Value;
        Type? type = typeof(ProtocolTableTests).Assembly.GetType(
            $"{typeof(ProtocolTableTests).Namespace}.{test.Groups["class"].Value}"
        );
        return type is not null
            && type.GetMethods(BindingFlags.Public | BindingFlags.Instance)
                .Any(member =>
                    member.GetCustomAttribute<FactAttribute>() is not null
                    && (
                        method.EndsWith('*')
                            ? member.Name.StartsWith(method[..^1], StringComparison.Ordinal)
                            : method.Length == 0 || string.Equals(member.Name, method, StringComparison.Ordinal)
                    )
                );
    }
}
