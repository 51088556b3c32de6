using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Vireo.Core;

/// <summary>States laws of our own code; a broken one stops the process.</summary>
/// <remarks>Active in release builds. Never for what a driver, a peer or a file can bring about: that is checked and answered.</remarks>
public static class Invariant
{
    /// <summary>States that a law holds.</summary>
    /// <param name="holds">Whether it does.</param>
    /// <param name="law">The law; the compiler fills in its text.</param>
    public static void That(
        [DoesNotReturnIf(false)] bool holds,
        [CallerArgumentExpression(nameof(holds))] string law = ""
    )
    {
        if (!holds)
        {
            Break(law);
        }
    }

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Break(string law) =>
        throw new UnreachableException($"a law of Vireo's own code is broken: {law}");
}
