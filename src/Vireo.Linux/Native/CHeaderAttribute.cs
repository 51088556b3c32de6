namespace Vireo.Linux.Native;

/// <summary>Names a header that declares what a class or a structure here mirrors; the Abi tests include it.</summary>
/// <param name="name">The header, such as <c>linux/io_uring.h</c>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, AllowMultiple = true)]
internal sealed class CHeaderAttribute(string name) : Attribute
{
    /// <summary>The header.</summary>
    public string Name { get; } = name;
}
