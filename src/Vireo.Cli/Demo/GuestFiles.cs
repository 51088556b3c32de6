namespace Vireo.Cli.Demo;

/// <summary>What a guest is made of, as the scripts of <c>eng/guest</c> have put it into the cache.</summary>
/// <param name="Qemu">The program that is the machine.</param>
/// <param name="Kernel">Debian's kernel, unchanged.</param>
/// <param name="Initramfs">Its first file system.</param>
/// <param name="QuickWords">What an emulated kernel is told so that it boots sooner.</param>
/// <param name="Busybox">A program of many small ones that runs on any host; makes file systems.</param>
/// <param name="EmulationReason">Why KVM cannot be used; null when it can.</param>
internal sealed record GuestFiles(
    string Qemu,
    string Kernel,
    string Initramfs,
    string QuickWords,
    string Busybox,
    string? EmulationReason
);
