namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>The features that DEVICE_FEATURE knows.</summary>
internal static class MigrationFeature
{
    /// <summary>How a device can be migrated: flags of 64 bits.</summary>
    public const uint Migration = 1;

    /// <summary>The state of a migration.</summary>
    public const uint DeviceState = 2;

    /// <summary>A stopped device can be copied: what every device that migrates can.</summary>
    public const ulong StopCopy = 1;
}
