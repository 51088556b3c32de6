using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>Base of the tests whose disk is served by QEMU's storage daemon.</summary>
public abstract class StorageDaemonTest : GuestTest
{
    protected const int DiskBytes = 64 << 20;

    protected QemuCommand ServeWithStorageDaemon(string image, GuestConfiguration configuration)
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(image, socket, configuration.Queues);
        return new QemuCommand(configuration).WithVhostUserBlock(socket);
    }

    protected void StartStorageDaemon(string image, string socket, int queues)
    {
        string pidFile = InScratch("daemon.pid");
        string program = GuestArtifacts.Program("qemu11", "qemu-storage-daemon");
        StartProgram(program, StorageDaemon.Arguments(image, socket, queues, pidFile));
        Assert.True(StorageDaemon.WaitUntilReady(pidFile, RigTimeouts.Program), "The storage daemon does not start.");
    }
}
