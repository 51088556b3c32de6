using System.Runtime.InteropServices;

namespace Vireo.Core.Admin;

/// <summary>How a command ended, and what was wrong with it.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Qualifier">What was wrong; None when it was done.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct AdminOutcome(AdminStatus Status, AdminQualifier Qualifier)
{
    /// <summary>It was done.</summary>
    public static AdminOutcome Done => default;

    /// <summary>A field of the command's data has no such value.</summary>
    public static AdminOutcome WrongField => new(AdminStatus.Invalid, AdminQualifier.Field);

    /// <summary>It was not done, for a reason that is not a mistake in the command.</summary>
    public static AdminOutcome Failed(AdminStatus status) => new(status, AdminQualifier.Command);
}
