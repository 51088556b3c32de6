using System.Globalization;
using Vireo.Linux;
using Vireo.Linux.Files;
using Vireo.Linux.IoUring;

namespace Vireo.Cli.Where;

/// <summary>Looks at what this host has.</summary>
internal static class HostFacts
{
    private const string HugePagesFolder = "/sys/kernel/mm/hugepages";

    /// <summary>All that homes ask for, in the order in which it is shown.</summary>
    public static IReadOnlyList<HostFact> Read() =>
        [
            Node(
                "kvm",
                "/dev/kvm",
                "virtual machines run at full speed",
                "machines are emulated: enable virtualisation, 'modprobe kvm'"
            ),
            Node("vduse", "/dev/vduse/control", "--vduse NAME works", "for --vduse NAME: 'modprobe vduse'"),
            Module(
                "virtio-vdpa",
                "virtio_vdpa",
                "devices on the vDPA bus are this host's own",
                "'modprobe virtio_vdpa'"
            ),
            Module(
                "vhost-vdpa",
                "vhost_vdpa",
                "devices on the vDPA bus are for virtual machines",
                "'modprobe vhost_vdpa'"
            ),
            Node("vhost-net", "/dev/vhost-net", "'vireo proxy vhost-net' works", "'modprobe vhost_net'"),
            Node("vhost-vsock", "/dev/vhost-vsock", "'vireo proxy vhost-vsock' works", "'modprobe vhost_vsock'"),
            Node("vhost-scsi", "/dev/vhost-scsi", "'vireo proxy vhost-scsi' works", "'modprobe vhost_scsi'"),
            IoUring(),
            HugePages(),
        ];

    private static HostFact Node(string name, string path, string use, string advice)
    {
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle node = HostFile.Open(
                path,
                OpenFlags.ReadWrite | OpenFlags.NonBlocking
            );
            return new(name, IsThere: true, use);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            return new(name, IsThere: false, advice);
        }
        catch (LinuxException exception)
        {
            return new(name, IsThere: false, $"{path} cannot be opened by this user ({exception.Error})");
        }
    }

    private static HostFact Module(string name, string module, string use, string advice)
    {
        bool isThere = Directory.Exists($"/sys/module/{module}");
        return new(name, isThere, isThere ? use : advice);
    }

    private static HostFact IoUring() =>
        IoUringQueue.IsSupported(out string reason)
            ? new("io_uring", IsThere: true, "disks are read and written through it")
            : new("io_uring", IsThere: false, $"{reason}; threads do the work");

    private static HostFact HugePages()
    {
        List<string> sizes = [];
        if (Directory.Exists(HugePagesFolder))
        {
            foreach (string folder in Directory.GetDirectories(HugePagesFolder))
            {
                string count = File.ReadAllText(Path.Combine(folder, "free_hugepages")).Trim();
                if (long.TryParse(count, CultureInfo.InvariantCulture, out long free) && free > 0)
                {
                    sizes.Add($"{free} of {Path.GetFileName(folder)["hugepages-".Length..]}");
                }
            }
        }

        return sizes.Count > 0
            ? new("hugepages", IsThere: true, $"{string.Join(", ", sizes)} are free: memory-backend-memfd,hugetlb=on")
            : new("hugepages", IsThere: false, "none are free: 'sysctl vm.nr_hugepages=512' reserves a gibibyte");
    }
}
