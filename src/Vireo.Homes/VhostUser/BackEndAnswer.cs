using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vireo.Homes.VhostUser;

/// <summary>What the front-end answered to a request of our own.</summary>
/// <param name="IsGood">Whether it did what was asked for.</param>
/// <param name="Descriptor">The descriptor that came with the answer, which becomes the receiver's, or null.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BackEndAnswer(bool IsGood, SafeFileHandle? Descriptor)
{
    /// <summary>There was no answer, or none that helps.</summary>
    public static BackEndAnswer Failure => default;
}
