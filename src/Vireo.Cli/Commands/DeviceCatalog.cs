namespace Vireo.Cli.Commands;

/// <summary>Every device type the command line knows.</summary>
internal static class DeviceCatalog
{
    private const string LinkPrefix = "vireo-";

    /// <summary>The devices, in the order of the help.</summary>
    public static IReadOnlyList<DeviceCommand> All { get; } =
    [new BlockCommand(), new EntropyCommand(), new NetCommand()];

    /// <summary>The device with a name, or null.</summary>
    public static DeviceCommand? Find(string name)
    {
        foreach (DeviceCommand device in All)
        {
            if (string.Equals(device.Name, name, StringComparison.Ordinal))
            {
                return device;
            }
        }

        return null;
    }

    /// <summary>The device that a link to the program is named after, or null: <c>vireo-block</c> is the block device.</summary>
    public static DeviceCommand? FindByLink(string fileName) =>
        fileName.StartsWith(LinkPrefix, StringComparison.Ordinal) ? Find(fileName[LinkPrefix.Length..]) : null;

    /// <summary>What a link to the program is called so that it serves a device.</summary>
    public static string LinkFor(DeviceCommand device) => LinkPrefix + device.Name;
}
