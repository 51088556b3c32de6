namespace Vireo.Core.Spec;

/// <summary>Names the C structure whose layout a wire structure must have.</summary>
/// <remarks>
/// The Abi tests compile static assertions over size and offsets against the named header. Fields correspond in
/// order; a field's own C name is given with <see cref="CFieldAttribute"/> where the two layouts differ in nesting.
/// </remarks>
[AttributeUsage(AttributeTargets.Struct)]
public sealed class CTwinAttribute : Attribute
{
    /// <summary>Names the twin.</summary>
    /// <param name="name">The C type, such as <c>struct virtio_blk_outhdr</c>.</param>
    /// <param name="header">The header that declares it, such as <c>linux/virtio_blk.h</c>.</param>
    public CTwinAttribute(string name, string header)
    {
        Name = name;
        Header = header;
    }

    /// <summary>The C type.</summary>
    public string Name { get; }

    /// <summary>The header that declares it.</summary>
    public string Header { get; }
}
