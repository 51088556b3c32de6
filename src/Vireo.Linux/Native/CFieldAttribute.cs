namespace Vireo.Linux.Native;

/// <summary>Names the C member a field mirrors, where the names differ (members of named unions).</summary>
/// <param name="name">The member as <c>offsetof</c> takes it, for example <c>data.u64</c>; empty for padding.</param>
[AttributeUsage(AttributeTargets.Field)]
internal sealed class CFieldAttribute(string name) : Attribute
{
    /// <summary>The member as <c>offsetof</c> takes it; empty for padding that C does not name.</summary>
    public string Name { get; } = name;
}
