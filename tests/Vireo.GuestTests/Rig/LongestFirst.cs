using System.Reflection;
using Vireo.GuestTests.Rig;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Vireo.GuestTests.Rig;

/// <summary>
/// Starts the classes that say they take long before all others, so that they do not run alone at the end; and the rest by name, so that
/// two runs are alike. The runner keeps to the order only with its "aggressive" algorithm (xunit.runner.json): with the other one its thread
/// pool takes the classes as it likes.
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

    /// <summary>How long the class of a collection says it takes. Each class is a collection, whose name has the class's in it.</summary>
    private static int SecondsOf(string displayName)
    {
        foreach (string word in displayName.Split(' '))
        {
            if (Assembly.GetExecutingAssembly().GetType(word) is { } type)
            {
                return type.GetCustomAttribute<TakesLongAttribute>()?.Seconds ?? 0;
            }
        }

        throw new InvalidOperationException($"The collection '{displayName}' does not name its class.");
    }
}
