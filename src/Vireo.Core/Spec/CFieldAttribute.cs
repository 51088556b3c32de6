namespace Vireo.Core.Spec;

/// <summary>Names the C field that a field of a wire structure corresponds to.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class CFieldAttribute : Attribute
{
    /// <summary>Names the C field.</summary>
    /// <param name="name">The field, with dots for nested structures.</param>
    public CFieldAttribute(string name) => Name = name;

    /// <summary>The field, with dots for nested structures.</summary>
    public string Name { get; }
}
