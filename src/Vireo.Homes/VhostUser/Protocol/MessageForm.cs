using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>How long the payload of a message is, and how many descriptors it brings.</summary>
/// <param name="PayloadMin">Shortest payload, in bytes.</param>
/// <param name="PayloadMax">Longest payload, in bytes.</param>
/// <param name="DescriptorsMin">Fewest descriptors.</param>
/// <param name="DescriptorsMax">Most descriptors.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MessageForm(int PayloadMin, int PayloadMax, int DescriptorsMin, int DescriptorsMax)
{
    /// <summary>Neither payload nor descriptors.</summary>
    public static MessageForm Empty => default;

    /// <summary>A 64-bit number and no descriptor.</summary>
    public static MessageForm Number => Of<ulong>();

    /// <summary>Exactly one structure and no descriptor.</summary>
    public static MessageForm Of<T>()
        where T : unmanaged => new(Wire.SizeOf<T>(), Wire.SizeOf<T>(), 0, 0);

    /// <summary>The same with descriptors.</summary>
    public MessageForm With(int descriptorsMin, int descriptorsMax) =>
        this with
        {
            DescriptorsMin = descriptorsMin,
            DescriptorsMax = descriptorsMax,
        };

    /// <summary>What is expected, for people.</summary>
    public override string ToString() =>
        $"{Range(PayloadMin, PayloadMax)} bytes and {Range(DescriptorsMin, DescriptorsMax)} descriptors";

    private static string Range(int from, int to) => from == to ? $"{from}" : $"{from} to {to}";
}
