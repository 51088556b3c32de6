using Vireo.Linux.Native;
using Vireo.Linux.Netlink;

namespace Vireo.Linux.Vdpa;

/// <summary>The kernel's vDPA bus: who makes devices for it, which are on it, adding and removing (netlink family vdpa).</summary>
/// <remarks>One thread at a time. Adding and removing wait for the drivers, and these for the device: never on its own thread.</remarks>
public sealed class VdpaBus : IDisposable
{
    /// <summary>The manager of devices that processes implement.</summary>
    public const string VduseManager = "vduse";

    private const string Family = "vdpa";

    private readonly GenericNetlink _netlink;

    private VdpaBus(GenericNetlink netlink) => _netlink = netlink;

    /// <summary>Opens the bus.</summary>
    /// <exception cref="LinuxException">ENOENT: the module vdpa is not loaded.</exception>
    public static VdpaBus Open() => new(GenericNetlink.Open(Family));

    /// <summary>Who makes devices.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<VdpaManager> ListManagers()
    {
        List<VdpaManager> managers = [];
        foreach (NetlinkAttributes answer in _netlink.Request(LibC.VDPA_CMD_MGMTDEV_GET, isDump: true))
        {
            managers.Add(
                new(
                    ManagerOf(answer),
                    answer.Number(LibC.VDPA_ATTR_MGMTDEV_SUPPORTED_CLASSES) ?? 0,
                    (uint?)answer.Number(LibC.VDPA_ATTR_DEV_MGMTDEV_MAX_VQS),
                    answer.Number(LibC.VDPA_ATTR_DEV_SUPPORTED_FEATURES)
                )
            );
        }

        return managers;
    }

    /// <summary>The devices on the bus.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<VdpaDevice> ListDevices()
    {
        List<VdpaDevice> devices = [];
        foreach (NetlinkAttributes answer in _netlink.Request(LibC.VDPA_CMD_DEV_GET, isDump: true))
        {
            devices.Add(DeviceOf(answer));
        }

        return devices;
    }

    /// <summary>Finds a device.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Null when there is none.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public VdpaDevice? Find(string name)
    {
        foreach (VdpaDevice device in ListDevices())
        {
            if (string.Equals(device.Name, name, StringComparison.Ordinal))
            {
                return device;
            }
        }

        return null;
    }

    /// <summary>The features that the driver of a device has chosen.</summary>
    /// <param name="name">The device.</param>
    /// <returns>Null when it has not chosen.</returns>
    /// <exception cref="LinuxException">ENODEV: there is no such device.</exception>
    public ulong? ReadDriverFeatures(string name)
    {
        IReadOnlyList<NetlinkAttributes> answers = _netlink.Request(
            LibC.VDPA_CMD_DEV_CONFIG_GET,
            isDump: false,
            (LibC.VDPA_ATTR_DEV_NAME, name)
        );
        return answers.Count > 0 ? answers[0].Number(LibC.VDPA_ATTR_DEV_NEGOTIATED_FEATURES) : null;
    }

    /// <summary>Puts a device on the bus; a driver that is loaded takes it at once.</summary>
    /// <param name="name">Its name; for VDUSE that under which its process made it.</param>
    /// <param name="manager">Who makes it.</param>
    /// <exception cref="LinuxException">
    /// EPERM: takes CAP_NET_ADMIN; ENODEV: no such manager; EEXIST: there is one of that name; EINVAL, EIO: the manager refuses.
    /// </exception>
    public void Add(string name, string manager = VduseManager)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(manager);
        int slash = manager.IndexOf('/');
        if (slash < 0)
        {
            _netlink.Request(
                LibC.VDPA_CMD_DEV_NEW,
                isDump: false,
                (LibC.VDPA_ATTR_DEV_NAME, name),
                (LibC.VDPA_ATTR_MGMTDEV_DEV_NAME, manager)
            );
            return;
        }

        _netlink.Request(
            LibC.VDPA_CMD_DEV_NEW,
            isDump: false,
            (LibC.VDPA_ATTR_DEV_NAME, name),
            (LibC.VDPA_ATTR_MGMTDEV_BUS_NAME, manager[..slash]),
            (LibC.VDPA_ATTR_MGMTDEV_DEV_NAME, manager[(slash + 1)..])
        );
    }

    /// <summary>Takes a device off the bus; its driver lets go of it first.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="LinuxException">EPERM: takes CAP_NET_ADMIN; ENODEV: there is none.</exception>
    public void Delete(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        _netlink.Request(LibC.VDPA_CMD_DEV_DEL, isDump: false, (LibC.VDPA_ATTR_DEV_NAME, name));
    }

    /// <summary>Closes the connection to the kernel; devices stay.</summary>
    public void Dispose() => _netlink.Dispose();

    private static string ManagerOf(NetlinkAttributes answer)
    {
        string name = answer.Text(LibC.VDPA_ATTR_MGMTDEV_DEV_NAME) ?? "";
        return answer.Text(LibC.VDPA_ATTR_MGMTDEV_BUS_NAME) is { } bus ? $"{bus}/{name}" : name;
    }

    private static VdpaDevice DeviceOf(NetlinkAttributes answer)
    {
        string name = answer.Text(LibC.VDPA_ATTR_DEV_NAME) ?? "";
        return new(
            name,
            ManagerOf(answer),
            (uint)(answer.Number(LibC.VDPA_ATTR_DEV_ID) ?? 0),
            (uint)(answer.Number(LibC.VDPA_ATTR_DEV_VENDOR_ID) ?? 0),
            (uint)(answer.Number(LibC.VDPA_ATTR_DEV_MAX_VQS) ?? 0),
            (ushort)(answer.Number(LibC.VDPA_ATTR_DEV_MAX_VQ_SIZE) ?? 0)
        )
        {
            Driver = DriverOf(name),
            Place = PlaceOf(name),
        };
    }

    private static string? DriverOf(string name)
    {
        var link = new DirectoryInfo(Path.Combine("/sys/bus/vdpa/devices", name, "driver"));
        return link.LinkTarget is { } target ? Path.GetFileName(target) : null;
    }

    private static string? PlaceOf(string name)
    {
        string folder = Path.Combine("/sys/bus/vdpa/devices", name);
        if (!Directory.Exists(folder))
        {
            return null;
        }

        foreach (string entry in Directory.EnumerateDirectories(folder))
        {
            string file = Path.GetFileName(entry);
            if (file.StartsWith("vhost-vdpa-", StringComparison.Ordinal))
            {
                return $"/dev/{file}";
            }

            if (file.StartsWith("virtio", StringComparison.Ordinal))
            {
                return file;
            }
        }

        return null;
    }
}
