namespace Vireo.GuestTests.Rig;

/// <summary>QEMU's storage daemon serving a raw file over vhost-user: the peer that shows whether a test or Vireo is to blame.</summary>
public static class StorageDaemon
{
    /// <summary>The arguments that make qemu-storage-daemon serve <paramref name="image"/> on <paramref name="socket"/>.</summary>
    public static string[] Arguments(string image, string socket, int queues, string pidFile) =>
        [
            "--blockdev",
            $"driver=file,node-name=file0,filename={image}",
            "--export",
            $"type=vhost-user-blk,id=export0,node-name=file0,addr.type=unix,addr.path={socket},writable=on,num-queues={queues}",
            // Written when the export is there.
            "--pidfile",
            pidFile,
        ];

    /// <summary>Waits until the daemon serves.</summary>
    public static bool WaitUntilReady(string pidFile, TimeSpan timeout) =>
        SpinWait.SpinUntil(() => File.Exists(pidFile), timeout);
}
