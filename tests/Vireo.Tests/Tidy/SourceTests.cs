using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Vireo.Tests.Tidy;

/// <summary>What a reviewer would otherwise have to catch in the sources.</summary>
public sealed class SourceTests
{
    /// <summary>Where unsafe code and the types that amount to it may stand.</summary>
    private static readonly string[] UnsafeRooms =
    [
        "src/Vireo.Core/Memory/",
        "src/Vireo.Core/Queues/",
        "src/Vireo.Core/Spec/Wire.cs",
        "src/Vireo.Linux/",
    ];

    private static readonly string[] OrderingWords = ["// Acquire:", "// Release:", "// Full:"];

    [Fact]
    public void UnsafeCode_StandsOnlyWhereItMay()
    {
        List<string> complaints = [];
        foreach ((string path, SyntaxNode root) in Sources())
        {
            if (UnsafeRooms.Any(room => path.StartsWith(room, StringComparison.Ordinal)))
            {
                continue;
            }

            foreach (SyntaxNode node in root.DescendantNodes())
            {
                if (node is UnsafeStatementSyntax or PointerTypeSyntax)
                {
                    complaints.Add($"{At(path, node)}: unsafe code belongs in {string.Join(", ", UnsafeRooms)}");
                }
            }
        }

        AssertNone(complaints);
    }

    [Fact]
    public void UnsafeTypesAndBlocks_SayWhyTheyAreSound()
    {
        List<string> complaints = [];
        foreach ((string path, SyntaxNode root) in Sources())
        {
            if (path.StartsWith("src/Vireo.Linux/Native/", StringComparison.Ordinal))
            {
                continue;
            }

            foreach (SyntaxNode node in root.DescendantNodes())
            {
                bool isUnsafeBlock = node is UnsafeStatementSyntax;
                bool isUnsafeMethod =
                    node is BaseMethodDeclarationSyntax method && method.Modifiers.Any(SyntaxKind.UnsafeKeyword);
                if ((isUnsafeBlock || isUnsafeMethod) && !HasCommentAbove(node, "// SAFETY:"))
                {
                    complaints.Add(
                        $"{At(path, node)}: say above it with '// SAFETY:' which invariant makes this sound"
                    );
                }

                if (
                    node is TypeDeclarationSyntax type
                    && type.Modifiers.Any(SyntaxKind.UnsafeKeyword)
                    && !type.ToFullString().Contains("// SAFETY:", StringComparison.Ordinal)
                )
                {
                    complaints.Add(
                        $"{At(path, node)}: an unsafe type says with '// SAFETY:' what keeps its pointers valid"
                    );
                }
            }
        }

        AssertNone(complaints);
    }

    [Fact]
    public void OrderingCalls_SayWhichOrderAndWhy()
    {
        List<string> complaints = [];
        foreach ((string path, SyntaxNode root) in Sources())
        {
            foreach (InvocationExpressionSyntax call in root.DescendantNodes().OfType<InvocationExpressionSyntax>())
            {
                string name = call.Expression.ToString();
                bool isOrdering =
                    name.StartsWith("Volatile.", StringComparison.Ordinal)
                    || name.StartsWith("Interlocked.", StringComparison.Ordinal)
                    || name is "Thread.MemoryBarrier";
                if (isOrdering && !OrderingWords.Any(word => HasCommentAbove(call, word)))
                {
                    complaints.Add($"{At(path, call)}: say above it with {string.Join(" or ", OrderingWords)} why");
                }
            }
        }

        AssertNone(complaints);
    }

    [Fact]
    public void Todos_NameAnIssue()
    {
        List<string> complaints = [];
        foreach ((string path, SyntaxNode root) in Sources())
        {
            foreach (SyntaxTrivia comment in root.DescendantTrivia().Where(IsComment))
            {
                string text = comment.ToString();
                if (text.Contains("FIX" + "ME", StringComparison.Ordinal))
                {
                    complaints.Add($"{At(path, comment)}: mend it or file an issue");
                }

                if (
                    text.Contains("TO" + "DO", StringComparison.Ordinal)
                    && !text.Contains("TO" + "DO(#", StringComparison.Ordinal)
                )
                {
                    complaints.Add($"{At(path, comment)}: name the issue");
                }
            }
        }

        AssertNone(complaints);
    }

    private static IEnumerable<(string Path, SyntaxNode Root)> Sources() =>
        Repository
            .Files("src", "*.cs")
            .Select(static path =>
                (Repository.Relative(path), CSharpSyntaxTree.ParseText(File.ReadAllText(path), path: path).GetRoot())
            );

    private static bool IsComment(SyntaxTrivia trivia) =>
        trivia.IsKind(SyntaxKind.SingleLineCommentTrivia) || trivia.IsKind(SyntaxKind.MultiLineCommentTrivia);

    /// <summary>Whether a comment stands above the node, its statement or its member, up to the enclosing block.</summary>
    private static bool HasCommentAbove(SyntaxNode node, string word)
    {
        for (SyntaxNode? at = node; at is not null and not TypeDeclarationSyntax; at = at.Parent)
        {
            if (at.GetLeadingTrivia().ToFullString().Contains(word, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private static string At(string path, SyntaxNode node) => $"{path}:{Line(node.GetLocation())}";

    private static string At(string path, SyntaxTrivia trivia) => $"{path}:{Line(trivia.GetLocation())}";

    private static int Line(Location location) => location.GetLineSpan().StartLinePosition.Line + 1;

    private static void AssertNone(List<string> complaints) =>
        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
}
