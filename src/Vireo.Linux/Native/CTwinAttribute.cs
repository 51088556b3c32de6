namespace Vireo.Linux.Native;

/// <summary>Names the C type a declaration mirrors, where it is not <c>struct</c> and the name of the type.</summary>
/// <param name="name">The type as C writes it, for example <c>struct epoll_event</c>.</param>
[AttributeUsage(AttributeTargets.Struct)]
internal sealed class CTwinAttribute(string name) : Attribute
{
    /// <summary>The type as C writes it.</summary>
    public string Name { get; } = name;
}
