using System.Globalization;

namespace Vireo.Cli.Demo;

/// <summary>The words with which QEMU is started for a demonstration.</summary>
internal static class DemoMachine
{
    /// <summary>Builds QEMU's command line.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="guest">What the guest is made of.</param>
    /// <param name="initramfs">The first file system, with what the demonstration adds to it.</param>
    /// <param name="sockets">Where the devices are to be found.</param>
    public static IReadOnlyList<string> Arguments(
        DemoOptions options,
        GuestFiles guest,
        string initramfs,
        DemoSockets sockets
    )
    {
        bool isKvm = guest.EmulationReason is null && !options.IsEmulated;
        bool isInteractive = options.Script is null;
        string memory = options.MemoryMebibytes.ToString(CultureInfo.InvariantCulture) + "M";
        string processors = options.ProcessorCount.ToString(CultureInfo.InvariantCulture);
        string mode = isInteractive ? "shell" : "script";
        return
        [
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-run-with",
            "exit-with-parent=on",
            "-accel",
            isKvm ? "kvm" : "tcg,thread=multi",
            "-cpu",
            isKvm ? "host" : "max",
            "-smp",
            processors,
            "-m",
            memory,
            // The devices are other processes: they reach the guest's memory because it is shared.
            "-object",
            $"memory-backend-memfd,id=memory,size={memory},share=on",
            "-machine",
            "q35,memory-backend=memory",
            // "mon:" gives a way out that no guest can take away: Ctrl-A x.
            "-serial",
            isInteractive ? "mon:stdio" : "stdio",
            "-kernel",
            guest.Kernel,
            "-initrd",
            initramfs,
            "-append",
            $"console=ttyS0 quiet loglevel=1 panic=-1 {(isKvm ? "" : guest.QuickWords)} vireo.mode={mode}",
            "-chardev",
            $"socket,id=disk,path={sockets.Disk}",
            "-device",
            $"vhost-user-blk-pci,chardev=disk,num-queues={processors}",
            "-chardev",
            $"socket,id=entropy,path={sockets.Entropy}",
            "-device",
            "vhost-user-rng-pci,chardev=entropy",
        ];
    }
}
