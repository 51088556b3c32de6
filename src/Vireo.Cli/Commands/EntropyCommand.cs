using System.CommandLine;
using Vireo.Backends.Entropy;
using Vireo.Devices.Entropy;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo entropy</c>: a source of randomness.</summary>
internal sealed class EntropyCommand : DeviceCommand
{
    /// <inheritdoc/>
    public override string Name => "entropy";

    /// <inheritdoc/>
    public override string Summary => "Serve a source of randomness (virtio entropy): /dev/hwrng in the guest.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("rng");

    /// <inheritdoc/>
    public override string Examples =>
        """
              Serve on a socket, and let a guest use it:
                vireo entropy --vhost-user /tmp/entropy.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=rng,path=/tmp/entropy.sock -device vhost-user-rng-pci,chardev=rng ...
              The same as a PCI function of its own:
                vireo entropy --vfio-user /tmp/entropy.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/tmp/entropy.sock"}}' ...
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources) =>
        new(new EntropyDevice(new KernelEntropy()), subject: "", backend: null);

    /// <inheritdoc/>
    protected override void AddOptions(Command command) { }
}
