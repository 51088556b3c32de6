using Xunit.v3;

namespace Vireo.Tests;

/// <summary>Says which normative sentences of VIRTIO 1.4 a test proves, by their ids in docs/spec/clauses.csv.</summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class, AllowMultiple = true)]
public sealed class ClauseAttribute : Attribute, ITraitAttribute
{
    public ClauseAttribute(params string[] ids) => Ids = ids;

    public IReadOnlyList<string> Ids { get; }

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() =>
        [.. Ids.Select(static id => new KeyValuePair<string, string>("Clause", id))];
}
