namespace Vireo.Cli.Where;

/// <summary>The lines that attach a device in each home.</summary>
internal static class AttachLines
{
    private const string Memory =
        "-m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -M q35,memory-backend=mem";

    /// <summary>Writes them for a device.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="device">The device's word on the command line.</param>
    public static void Write(TextWriter output, string device)
    {
        string serve = device is "block" ? "vireo block disk.raw" : $"vireo {device}";
        output.WriteLine($"vhost-user: {serve} --vhost-user /tmp/{device}.sock");
        WriteVhostUser(output, device);
        output.WriteLine();
        output.WriteLine($"vfio-user: {serve} --vfio-user /tmp/{device}.sock");
        output.WriteLine($"  QEMU 10.1 and later: {Memory} \\");
        output.WriteLine(
            $"    -device '{{\"driver\":\"vfio-user-pci\",\"socket\":{{\"type\":\"unix\",\"path\":\"/tmp/{device}.sock\"}}}}'"
        );
        output.WriteLine($"  cloud-hypervisor: --memory size=1G,shared=on --user-device socket=/tmp/{device}.sock");
        output.WriteLine();
        WriteVduse(output, serve, device);
    }

    private static void WriteVhostUser(TextWriter output, string device)
    {
        string front = device switch
        {
            "block" => "blk",
            "entropy" => "rng",
            _ => device,
        };
        output.WriteLine($"  QEMU: {Memory} \\");
        output.WriteLine(
            device is "net"
                ? "    -chardev socket,id=c,path=/tmp/net.sock -netdev vhost-user,id=n,chardev=c -device virtio-net-pci,netdev=n"
                : $"    -chardev socket,id=c,path=/tmp/{device}.sock -device vhost-user-{front}-pci,chardev=c"
        );
        output.WriteLine(
            device switch
            {
                "block" => "  libvirt: <disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/>"
                    + "<source type='unix' path='/tmp/block.sock'/><target dev='vda' bus='virtio'/></disk>",
                "net" =>
                    "  libvirt: <interface type='vhostuser'><source type='unix' path='/tmp/net.sock' mode='client'/>"
                        + "<model type='virtio'/></interface>",
                _ => $"  libvirt: <qemu:commandline> with the two QEMU arguments above",
            }
        );
        output.WriteLine(
            device switch
            {
                "block" =>
                    "  cloud-hypervisor: --memory size=1G,shared=on --disk vhost_user=true,socket=/tmp/block.sock",
                "net" => "  cloud-hypervisor: --memory size=1G,shared=on --net vhost_user=true,socket=/tmp/net.sock",
                _ => $"  cloud-hypervisor: has no vhost-user front-end for {device}; take vfio-user",
            }
        );
    }

    private static void WriteVduse(TextWriter output, string serve, string device)
    {
        if (device is not ("block" or "net"))
        {
            output.WriteLine($"vduse: no kernel takes {device} devices on its vDPA bus");
            return;
        }

        string name = $"{device}0";
        output.WriteLine($"vduse: {serve} --vduse {name} --vdpa-add");
        output.WriteLine("  this host: 'modprobe virtio_vdpa' first; the device is the host's own");
        output.WriteLine($"  QEMU: 'modprobe vhost_vdpa' first; {Memory} \\");
        output.WriteLine("    -device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0");
        output.WriteLine(
            device is "net"
                ? "  libvirt: <interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"
                : "  libvirt: <disk type='vhostvdpa' device='disk'><source dev='/dev/vhost-vdpa-0'/><target dev='vda' bus='virtio'/></disk>"
        );
        output.WriteLine("  cloud-hypervisor: --memory size=1G,shared=on --vdpa path=/dev/vhost-vdpa-0");
    }
}
