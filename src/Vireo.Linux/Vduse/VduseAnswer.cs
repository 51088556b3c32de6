using System.Runtime.InteropServices;

namespace Vireo.Linux.Vduse;

/// <summary>The answer to a <see cref="VduseRequest"/>.</summary>
/// <param name="Id">Which request.</param>
/// <param name="IsGood">Whether it was done.</param>
/// <param name="Queue">Which queue <paramref name="Position"/> is of.</param>
/// <param name="Position">Where it stands; null where that was not asked.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct VduseAnswer(uint Id, bool IsGood, uint Queue = 0, VdusePosition? Position = null);
