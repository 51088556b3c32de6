namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The features that DEVICE_FEATURE knows.</summary>
internal static class MigrationFeature
{
    /// <summary>How a device can be migrated: flags of 64 bits.</summary>
    public const uint Migration = 1;

    /// <summary>The state of a migration.</summary>
    public const uint DeviceState = 2;

    /// <summary>Starts the log of what the device writes into memory.</summary>
    public const uint LoggingStart = 6;

    /// <summary>Stops it.</summary>
    public const uint LoggingStop = 7;

    /// <summary>Reports what was written since the last report.</summary>
    public const uint LoggingReport = 8;

    /// <summary>A device can be asked for state while it runs; ours have none to give before they stop.</summary>
    public const ulong PreCopy = 4;

    /// <summary>A stopped device can be copied: what every device that migrates can.</summary>
    public const ulong StopCopy = 1;
}
