namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The types of interrupts of a PCI function.</summary>
internal static class IrqIndex
{
    /// <summary>The interrupt line.</summary>
    public const uint Line = 0;

    /// <summary>Messages without a table; there are none.</summary>
    public const uint Msi = 1;

    /// <summary>Messages with a table.</summary>
    public const uint Msix = 2;

    /// <summary>How many types there are; the others tell of errors and of requests to let go.</summary>
    public const uint Count = 5;
}
