namespace Vireo.Benchmarks;

/// <summary>Something that <c>./bench NAME</c> measures.</summary>
internal interface IBenchmark
{
    /// <summary>What it is called on the command line.</summary>
    string Name { get; }

    /// <summary>One sentence for the list.</summary>
    string Summary { get; }

    /// <summary>Measures and prints.</summary>
    /// <param name="args">What follows the name on the command line.</param>
    /// <returns>The exit status.</returns>
    int Run(string[] args);
}
