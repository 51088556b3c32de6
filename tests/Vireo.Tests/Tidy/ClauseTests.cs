using System.Text;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Vireo.Tests.Tidy;

/// <summary>Which normative sentences of VIRTIO 1.4 are proven by a test, and by tests that name them rightly.</summary>
public sealed class ClauseTests
{
    private static readonly CompositeFormat Row = CompositeFormat.Parse("  {0,-14} {1,4}/{2,-4} must {3,4}/{4}\n");

    private static readonly string[] TestRooms = ["tests/Vireo.Tests", "tests/Vireo.GuestTests"];

    [Fact]
    public void ClauseIds_OfAllTests_Exist()
    {
        HashSet<string> known = [.. Clauses().Select(static clause => clause.Id)];

        List<string> unknown =
        [
            .. Named().Where(named => !known.Contains(named.Id)).Select(static named => $"{named.Place}: {named.Id}"),
        ];

        Assert.True(unknown.Count == 0, $"no such clause in docs/spec/clauses.csv:\n{string.Join('\n', unknown)}");
    }

    [Fact]
    public void ClauseIds_InTheList_AreUnique()
    {
        List<string> ids = [.. Clauses().Select(static clause => clause.Id)];

        Assert.NotEmpty(ids);
        Assert.Equal(ids.Count, ids.Distinct(StringComparer.Ordinal).Count());
    }

    /// <summary>Prints the table that a reader of a test run looks for; what is open goes to a file.</summary>
    [Fact]
    public void Coverage_OfEachArea_IsPrinted()
    {
        HashSet<string> named = [.. Named().Select(static named => named.Id)];
        List<Clause> clauses = [.. Clauses()];
        StringBuilder table = new("clauses of VIRTIO 1.4 proven by a test (must: MUST and MUST NOT)\n");
        foreach (
            IGrouping<string, Clause> area in clauses.GroupBy(static clause => clause.Area, StringComparer.Ordinal)
        )
        {
            int proven = area.Count(clause => named.Contains(clause.Id));
            if (proven > 0)
            {
                int must = area.Count(static clause => clause.IsMust);
                int mustProven = area.Count(clause => clause.IsMust && named.Contains(clause.Id));
                table.AppendFormat(null, Row, area.Key, proven, area.Count(), mustProven, must);
            }
        }

        int all = clauses.Count(clause => named.Contains(clause.Id));
        int allMust = clauses.Count(static clause => clause.IsMust);
        int allMustProven = clauses.Count(clause => clause.IsMust && named.Contains(clause.Id));
        table.AppendFormat(null, Row, "all areas", all, clauses.Count, allMustProven, allMust);
        Console.WriteLine(table);
        string open = Path.Combine(Repository.Root, "artifacts", "clauses-open.txt");
        Directory.CreateDirectory(Path.GetDirectoryName(open)!);
        File.WriteAllLines(
            open,
            clauses
                .Where(clause => !named.Contains(clause.Id))
                .Select(static clause => $"{clause.Id} {clause.Keyword}: {clause.Section}")
        );

        Assert.NotEqual(0, all);
    }

    private static IEnumerable<Clause> Clauses()
    {
        foreach (string line in File.ReadLines(Path.Combine(Repository.Root, "docs/spec/clauses.csv")).Skip(1))
        {
            string[] fields = line.Split(',', 5);
            Assert.Equal(5, fields.Length);
            yield return new(fields[0], fields[1], fields[3], fields[4].Trim('"'));
        }
    }

    /// <summary>The ids in the Clause attributes of all tests, and where they stand.</summary>
    private static IEnumerable<(string Id, string Place)> Named()
    {
        foreach (string path in TestRooms.SelectMany(static room => Repository.Files(room, "*.cs")))
        {
            string text = File.ReadAllText(path);
            if (!text.Contains("[Clause(", StringComparison.Ordinal))
            {
                continue;
            }

            foreach (
                AttributeSyntax attribute in CSharpSyntaxTree
                    .ParseText(text)
                    .GetRoot()
                    .DescendantNodes()
                    .OfType<AttributeSyntax>()
                    .Where(static attribute => attribute.Name.ToString() is "Clause")
            )
            {
                foreach (LiteralExpressionSyntax id in attribute.DescendantNodes().OfType<LiteralExpressionSyntax>())
                {
                    yield return (id.Token.ValueText, Repository.Relative(path));
                }
            }
        }
    }

    private sealed record Clause(string Id, string Area, string Keyword, string Section)
    {
        public bool IsMust => Keyword.StartsWith("MUST", StringComparison.Ordinal);
    }
}
