using System.Reflection;
using Vireo.GuestTests.Rig;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Vireo.GuestTests.Rig;

/// <summary>
/// Starts the classes that say they take long before all others, so that they do not run alone at the end; and the rest by name, so that
/// two runs are alike.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <inheritdoc/>
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(
        IReadOnlyCollection<TTestCollection> testCollections
    )
        where TTestCollection : ITestCollection =>
        [
            .. testCollections
                .OrderByDescending(static collection => SecondsOf(collection.TestCollectionDisplayName))
                .ThenBy(static collection => collection.TestCollectionDisplayName, StringComparer.Ordinal),
        ];

    /// <summary>How long the class of a collection says it takes. Each class is a collection, which has its name at its end.</summary>
    private static int SecondsOf(string displayName) =>
        Assembly
            .GetExecutingAssembly()
            .GetType(displayName[(displayName.LastIndexOf(' ') + 1)..])
            ?.GetCustomAttribute<TakesLongAttribute>()
            ?.Seconds
        ?? 0;
}
