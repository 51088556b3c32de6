using Vireo.GuestTests.Rig;

namespace Vireo.GuestTests.Block;

/// <summary>Base of the tests in which a guest has a disk on <c>vireo block</c>.</summary>
public abstract class BlockTest : GuestTest
{
    protected const long DiskBytes = 512L << 20;

    /// <summary>Serves an image, with as many queues as the configuration says, and boots a guest that has it as /dev/vda.</summary>
    protected (Guest Guest, VireoDaemon Daemon) BootWithDisk(string image, GuestConfiguration configuration)
    {
        string socket = InScratch("disk.sock");
        string[] options = ["--queues", $"{configuration.Queues}", "--log-level", "debug"];
        VireoDaemon daemon = StartVireo(["block", image, .. configuration.HomeArguments(socket), .. options]);
        return (BootGuest(new QemuCommand(configuration).WithServedBlock(socket)), daemon);
    }
}
