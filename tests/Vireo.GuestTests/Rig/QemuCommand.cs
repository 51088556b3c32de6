using System.Globalization;

namespace Vireo.GuestTests.Rig;

/// <summary>A QEMU command line in the making: a configuration plus the devices under test.</summary>
public sealed class QemuCommand
{
    private readonly List<string> _devices = [];
    private int _chardevs;

    public QemuCommand(GuestConfiguration configuration)
    {
        Configuration = configuration;
        HasUserland = !IsForeign;
    }

    public GuestConfiguration Configuration { get; }

    /// <summary>Further words of the kernel's command line.</summary>
    public string KernelWords { get; set; } = "";

    /// <summary>
    /// Whether the firmware finds kernel and initramfs by itself, on a disk or in the network (they must be made to start the agent),
    /// instead of being handed them.
    /// </summary>
    public bool BootsFromDisk { get; set; }

    /// <summary>
    /// Whether the kernel is started as PCs do it, which takes longer. A guest that is to sleep needs it: a kernel that was started directly
    /// is reset when it wakes.
    /// </summary>
    public bool StartsLikePcs { get; set; }

    /// <summary>Whether the guest has Debian's userland; without it, it runs in busybox and starts a little sooner.</summary>
    public bool HasUserland { get; set; }

    /// <summary>Adds arguments as they are.</summary>
    public QemuCommand With(params string[] arguments)
    {
        _devices.AddRange(arguments);
        return this;
    }

    /// <summary>Adds a virtio device by QEMU's name without its bus ending, such as "virtio-rng" or "vhost-user-fs".</summary>
    public QemuCommand WithVirtioDevice(string name, string options = "") =>
        With("-device", TransportName(name) + options + Configuration.RingOptions);

    /// <summary>Adds a disk that vireo serves, in the home that the configuration names.</summary>
    /// <param name="socket">Where it is served.</param>
    /// <param name="isBootDisk">Whether the firmware is to boot from it.</param>
    public QemuCommand WithServedBlock(string socket, bool isBootDisk = false) =>
        WithServedBlock(socket, Configuration, isBootDisk);

    /// <summary>The same for one of several disks: home, queues and ring are those of its own configuration, the machine stays this one's.</summary>
    public QemuCommand WithServedBlock(string socket, GuestConfiguration device, bool isBootDisk = false) =>
        device.Home == GuestHome.VfioUser
            ? WithVfioUser(socket, isBootDisk ? ",\"bootindex\":0" : "")
            : WithVhostUserBlock(socket, device, isBootDisk ? ",bootindex=0" : "");

    /// <summary>Adds an entropy source that vireo serves; home and ring are those of its own configuration.</summary>
    public QemuCommand WithServedEntropy(string socket, GuestConfiguration device) =>
        device.Home == GuestHome.VfioUser ? WithVfioUser(socket) : WithVhostUserEntropy(socket, device);

    /// <summary>Adds a network card that vireo serves, in the home that the configuration names.</summary>
    /// <param name="socket">Where it is served.</param>
    /// <param name="options">What the front-end takes away from it, each with a comma before it; a function has no front-end.</param>
    public QemuCommand WithServedNet(string socket, string options = "") =>
        Configuration.Home == GuestHome.VfioUser ? WithVfioUser(socket) : WithVhostUserNet(socket, options);

    /// <summary>Adds a PCI function served over a vfio-user socket.</summary>
    /// <param name="socket">Where the server listens.</param>
    /// <param name="members">More members of QEMU's JSON object, each with a comma before it.</param>
    public QemuCommand WithVfioUser(string socket, string members = "") =>
        With("-device", VfioUserDevice(socket, members));

    /// <summary>What QEMU's command line and device_add of its monitor take for a PCI function on a vfio-user socket.</summary>
    public static string VfioUserDevice(string socket, string members = "") =>
        $$$"""{"driver":"vfio-user-pci","socket":{"type":"unix","path":"{{{socket}}}"}{{{members}}}}""";

    /// <summary>Adds a disk served over a vhost-user socket.</summary>
    /// <param name="socket">Where the back-end listens.</param>
    /// <param name="options">More device options, each with a comma before it.</param>
    /// <param name="reconnect">How often QEMU tries to come back when the back-end is gone; null: never.</param>
    public QemuCommand WithVhostUserBlock(string socket, string options = "", TimeSpan? reconnect = null) =>
        WithVhostUserBlock(socket, Configuration, options, reconnect);

    private QemuCommand WithVhostUserBlock(
        string socket,
        GuestConfiguration device,
        string options,
        TimeSpan? reconnect = null
    )
    {
        string chardev = AddSocket(socket, reconnect);
        string name = Configuration.Machine == GuestMachine.Q35 ? "vhost-user-blk-pci" : "vhost-user-blk";
        return With("-device", $"{name},chardev={chardev},num-queues={device.Queues}{options}{device.RingOptions}");
    }

    /// <summary>Adds an entropy source served over a vhost-user socket.</summary>
    private QemuCommand WithVhostUserEntropy(string socket, GuestConfiguration device)
    {
        string chardev = AddSocket(socket);
        string name = Configuration.Machine == GuestMachine.Q35 ? "vhost-user-rng-pci" : "vhost-user-rng";
        return With("-device", $"{name},chardev={chardev}{device.RingOptions}");
    }

    /// <summary>Adds a network card served over a vhost-user socket, with as many pairs of queues as the configuration says.</summary>
    /// <param name="socket">Where the back-end listens.</param>
    /// <param name="options">More device options, each with a comma before it.</param>
    /// <param name="hasRom">Whether QEMU's boot ROM for the card is there: it would take the card for itself first.</param>
    public QemuCommand WithVhostUserNet(string socket, string options = "", bool hasRom = false)
    {
        string chardev = AddSocket(socket);
        string name = $"net{chardev}";
        string queues = Configuration.Queues > 1 ? ",mq=on" : "";
        return With("-netdev", $"vhost-user,id={name},chardev={chardev},queues={Configuration.Queues}")
            .WithVirtioDevice("virtio-net", $",netdev={name}{queues}{(hasRom ? "" : NoRom)}{options}");
    }

    private string NoRom => Configuration.Machine == GuestMachine.Q35 ? ",romfile=" : "";

    /// <summary>Adds a UNIX socket that QEMU connects to and gives the name of its character device.</summary>
    public string AddSocket(string path, TimeSpan? reconnect = null)
    {
        string name = $"vu{_chardevs++}";
        // Older versions count in whole seconds.
        string again = reconnect switch
        {
            null => "",
            TimeSpan time when Configuration.Qemu == QemuVersion.Newest =>
                $",reconnect-ms={(int)time.TotalMilliseconds}",
            TimeSpan time => $",reconnect={Math.Max(1, (int)time.TotalSeconds)}",
        };
        With("-chardev", $"socket,id={name},path={path}{again}");
        return name;
    }

    /// <summary>QEMU's program and its arguments for a guest whose channels and folders are those given.</summary>
    public (string Program, IReadOnlyList<string> Arguments) Build(GuestChannels channels, string hostFolder)
    {
        string component =
            IsForeign ? "qemus390x"
            : Configuration.Qemu == QemuVersion.Newest ? "qemu11"
            : "qemu7";
        var arguments = new List<string>();
        arguments.AddRange(MachineArguments(component));
        arguments.AddRange(_devices);
        AddChannel(arguments, "console", channels.Console.Path);
        AddChannel(arguments, "agent", channels.Agent.Path);
        arguments.AddRange(ChannelDevices);
        AddChannel(arguments, "monitor", channels.Monitor.Path);
        arguments.AddRange(
            Configuration.Qemu == QemuVersion.Newest
                ? ["-object", "monitor-qmp,id=qmp,chardev=monitor"]
                : ["-mon", "chardev=monitor,mode=control"]
        );
        if (HasUserland)
        {
            AddShare(arguments, "userland", GuestArtifacts.Userland, isReadOnly: true);
            AddShare(arguments, "modules", GuestArtifacts.Modules, isReadOnly: true);
        }

        AddShare(arguments, "host", hostFolder, isReadOnly: false);
        if (!BootsFromDisk)
        {
            arguments.AddRange(["-kernel", Kernel, "-initrd", Initramfs]);
            arguments.AddRange(["-append", KernelCommandLine]);
        }

        return (GuestArtifacts.Program(component, IsForeign ? "qemu-system-s390x" : "qemu-system-x86_64"), arguments);
    }

    /// <summary>Whether the guest's processor is not the host's.</summary>
    private bool IsForeign => Configuration.Machine == GuestMachine.S390x;

    private bool IsAccelerated => GuestArtifacts.HasKvm && !IsForeign;

    private string[] ChannelDevices =>
        IsForeign
            ?
            [
                "-device",
                "sclpconsole,chardev=console",
                "-device",
                "virtio-serial-ccw",
                "-device",
                "virtconsole,chardev=agent",
            ]
            : ["-serial", "chardev:console", "-device", "isa-serial,chardev=agent,index=1"];

    private string Initramfs => IsForeign ? GuestArtifacts.ForeignInitramfs : GuestArtifacts.Initramfs;

    /// <summary>SeaBIOS has ACPI tables for a kernel that is started as PCs do it, and on a microvm for no other.</summary>
    private string Kernel =>
        IsForeign ? GuestArtifacts.ForeignKernel
        : StartsLikePcs || Configuration is { Machine: GuestMachine.MicroVm, Firmware: GuestFirmware.SeaBios }
            ? GuestArtifacts.BootableKernel
        : GuestArtifacts.Kernel;

    /// <summary>What a guest with this configuration says to its kernel; also what a bootable disk must carry.</summary>
    public string KernelCommandLine =>
        (IsForeign ? "console=ttysclp0 vireo.port=hvc0" : $"console=ttyS0 {GuestArtifacts.QuickWords}")
        + " quiet panic=-1 vireo.mode=agent"
        + (HasUserland ? " vireo.userland=9p" : "")
        + (Configuration.Machine == GuestMachine.MicroVm ? " reboot=t" : "")
        + (Configuration.LineInterrupts ? " pci=nomsi" : "")
        + (NeedsTscFrequency ? $" tsc_early_khz={HostTscKilohertz()}" : "")
        + (KernelWords.Length > 0 ? $" {KernelWords}" : "");

    /// <summary>
    /// A microvm has nothing but the PIT to measure its processor's clock by. Emulated on a busy host that fails one time in
    /// two, and the kernel then hangs: so it is told.
    /// </summary>
    private bool NeedsTscFrequency => Configuration.Machine == GuestMachine.MicroVm && !GuestArtifacts.HasKvm;

    private static int HostTscKilohertz()
    {
        string line = File.ReadLines("/proc/cpuinfo")
            .First(text => text.StartsWith("cpu MHz", StringComparison.Ordinal));
        return (int)(double.Parse(line.AsSpan(line.IndexOf(':') + 1), CultureInfo.InvariantCulture) * 1000);
    }

    private IEnumerable<string> MachineArguments(string component)
    {
        string machine = Configuration.Machine switch
        {
            GuestMachine.Q35 => "q35",
            GuestMachine.S390x => "s390-ccw-virtio",
            _ => "microvm,acpi=on,rtc=on",
        };
        string accelerator = IsAccelerated ? "kvm" : "tcg,thread=multi";
        yield return "-machine";
        yield return $"{machine},memory-backend=memory";
        yield return "-object";
        yield return Configuration.SharedMemory
            ? $"memory-backend-memfd,id=memory,size={Configuration.MemoryMegabytes}M,share=on"
            : $"memory-backend-ram,id=memory,size={Configuration.MemoryMegabytes}M";
        yield return "-m";
        yield return $"{Configuration.MemoryMegabytes}M";
        yield return "-smp";
        // Room for a second processor, if there is one alone, has QEMU take locked instructions for what they are. Without, it makes plain
        // ones of them, and a driver's look at whether it has to kick overtakes what it has published: devices in other processes then
        // wait for ever.
        yield return Configuration.Cpus == 1 && !IsAccelerated ? "1,maxcpus=2" : $"{Configuration.Cpus}";
        yield return "-accel";
        yield return accelerator;
        yield return "-cpu";
        yield return IsAccelerated ? "host" : "max";
        foreach (string argument in (string[])["-nodefaults", "-no-user-config", "-display", "none"])
        {
            yield return argument;
        }

        if (Configuration.Machine == GuestMachine.MicroVm)
        {
            yield return "-global";
            yield return "virtio-mmio.force-legacy=false";
        }

        foreach (string argument in FirmwareArguments(component))
        {
            yield return argument;
        }
    }

    private string[] FirmwareArguments(string component)
    {
        string share = Path.Combine(GuestArtifacts.Component(component), "usr/share");
        return (Configuration.Firmware, Configuration.Machine) switch
        {
            (GuestFirmware.QBoot, _) => ["-bios", Path.Combine(share, "qemu/qboot.rom")],
            (GuestFirmware.SeaBios, GuestMachine.MicroVm) => ["-bios", Path.Combine(share, "seabios/bios-microvm.bin")],
            (GuestFirmware.Ovmf, _) =>
            [
                "-drive",
                $"if=pflash,format=raw,unit=0,readonly=on,file={FirmwareFile("OVMF_CODE_4M.fd")}",
                // Variables are written to a throw-away copy.
                "-drive",
                $"if=pflash,format=raw,unit=1,snapshot=on,file={FirmwareFile("OVMF_VARS_4M.fd")}",
            ],
            _ => [],
        };
    }

    private static string FirmwareFile(string name) =>
        Path.Combine(GuestArtifacts.Component("qemu11"), "usr/share/OVMF", name);

    private static void AddChannel(List<string> arguments, string name, string path) =>
        arguments.AddRange(["-chardev", $"socket,id={name},path={path}"]);

    private void AddShare(List<string> arguments, string tag, string folder, bool isReadOnly)
    {
        string access = isReadOnly ? ",readonly=on" : "";
        arguments.AddRange(["-fsdev", $"local,id={tag},path={folder},security_model=none,multidevs=remap{access}"]);
        arguments.AddRange(["-device", $"{TransportName("virtio-9p")},fsdev={tag},mount_tag={tag}"]);
    }

    private string TransportName(string name) =>
        name
        + Configuration.Machine switch
        {
            GuestMachine.Q35 => "-pci",
            GuestMachine.S390x => "-ccw",
            _ => "-device",
        };
}
