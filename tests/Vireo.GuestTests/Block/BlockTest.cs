using Vireo.GuestTests.Rig;

namespace Vireo.GuestTests.Block;

/// <summary>Base of the tests in which a guest has a disk on <c>vireo block</c>.</summary>
public abstract class BlockTest : GuestTest
{
    protected const long DiskBytes = 512L << 20;

    /// <summary>Serves an image, with as many queues as the configuration says, and boots a guest that has it as /dev/vda.</summary>
    protected (Guest Guest, VireoDaemon Daemon) BootWithDisk(string image, GuestConfiguration configuration)
    {
        (VireoDaemon daemon, string socket) = ServeDisk(image, configuration, "disk");
        return (BootGuest(new QemuCommand(configuration).WithServedBlock(socket)), daemon);
    }

    /// <summary>Serves an image in the home and with as many queues as the configuration says, on a socket of that name.</summary>
    protected (VireoDaemon Daemon, string Socket) ServeDisk(string image, GuestConfiguration configuration, string name)
    {
        string socket = InScratch($"{name}.sock");
        string[] options = ["--queues", $"{configuration.Queues}", "--log-level", "debug"];
        return (StartVireo(["block", image, .. configuration.HomeArguments(socket), .. options]), socket);
    }
}
