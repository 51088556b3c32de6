using System.IO.Compression;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>iPXE, QEMU's own boot ROM, on <c>vireo net</c>: a guest without a disk gets its address, its orders and its kernel over the network.</summary>
public sealed class BootRomTests : GuestTest
{
    private const string GuestAddress = "10.9.0.2";

    [Fact]
    public void GuestBootsFromTheNetwork()
    {
        string socket = InScratch("net.sock");
        string www = InScratch("www");
        var network = HostNetwork.Start(RunProgram, StartProgram, www, "--vhost-user", socket);
        // Only the orders have it, and only over the network can the guest have got them.
        string token = $"vireo.token={Guid.NewGuid():N}";
        QemuCommand command = new QemuCommand(GuestConfiguration.Default)
        {
            HasUserland = false,
            BootsFromDisk = true,
            KernelWords = token,
        }.WithVhostUserNet(socket, ",bootindex=0", hasRom: true);
        Publish(www, command.KernelCommandLine);
        ChildProcess server = network.ServeBoot(GuestAddress, "start.ipxe", www);

        Guest guest = BootGuest(command);

        guest.RunTap(
            $"""
            check "the kernel was told so over the network" grep -qw {token} /proc/cmdline
            check "the link comes up again" ip link set eth0 up
            check "an address for Linux" ip address add {GuestAddress}/24 dev eth0
            is "Linux drives the card after iPXE" "$(wget -q -O - http://{HostNetwork.Address4}/start.ipxe | head -n 1)" '#!ipxe'
            done_testing
            """
        );
        guest.PowerOff();
        Assert.Contains(server.Errors.Lines(), line => line.Contains("start.ipxe to", StringComparison.Ordinal));
    }

    /// <summary>The orders by TFTP, what they name by HTTP.</summary>
    private static void Publish(string www, string words)
    {
        File.WriteAllText(
            Path.Combine(www, "start.ipxe"),
            $"""
            #!ipxe
            kernel http://{HostNetwork.Address4}/kernel {words}
            initrd http://{HostNetwork.Address4}/initramfs
            boot

            """
        );
        File.CreateSymbolicLink(Path.Combine(www, "kernel"), GuestArtifacts.BootableKernel);
        using FileStream plain = File.OpenRead(GuestArtifacts.Initramfs);
        using FileStream packed = File.Create(Path.Combine(www, "initramfs"));
        using GZipStream gzip = new(packed, CompressionLevel.Fastest);
        plain.CopyTo(gzip);
    }
}
