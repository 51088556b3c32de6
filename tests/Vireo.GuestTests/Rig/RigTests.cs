using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>The rig tells the truth: what is wrong in a guest, or becomes of it, is seen.</summary>
[TakesLong(50)]
public sealed class RigTests : StorageDaemonTest
{
    [Fact]
    public void WhatIsWrongIsSeen()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        Guest guest = BootGuest(ServeWithStorageDaemon(image, GuestConfiguration.Default with { Cpus = 1 }));

        // A byte the guest did not write.
        string before = guest.Run("sha256sum </dev/vda");
        guest.Run("echo wrong | dd of=/dev/vda bs=1 seek=4096 conv=fsync,notrunc status=none");
        string script = $"is checksum \"$(sha256sum </dev/vda)\" '{before}'\ndone_testing";
        GuestException wrong = Assert.Throws<GuestException>(() => guest.RunTap(script));
        Assert.Contains("not ok 1 - checksum", wrong.Message, StringComparison.Ordinal);
        Assert.Contains(Repository.Transcripts, wrong.Message, StringComparison.Ordinal);

        // A script that fails, one that reports nothing, one that stops half way, one that hangs.
        GuestException failed = Assert.Throws<GuestException>(() => guest.Run("ls /not-there"));
        Assert.Contains("status 2", failed.Message, StringComparison.Ordinal);
        Assert.Throws<GuestException>(() => guest.RunTap("true"));
        Assert.Throws<GuestException>(() => guest.RunTap("check good true; exit 0"));
        GuestCommand hangs = guest.Start("echo before; sleep 1000");
        Assert.Equal("before", hangs.WaitForLine("before"));
        GuestException late = Assert.Throws<GuestException>(() => hangs.Wait(TimeSpan.FromSeconds(1)));
        Assert.Contains("did not end", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GuestRebootsPanicsAndIsKilled()
    {
        // No userland: a guest of busybox alone.
        Guest guest = BootGuest(new QemuCommand(GuestConfiguration.Default with { Cpus = 1 }) { HasUserland = false });
        guest.Run("echo left >/run/file; test -e /run/file");
        guest.Reboot();
        guest.Run("! test -e /run/file");
        Assert.Equal("running", guest.Monitor.Execute("query-status").GetProperty("status").GetString());

        GuestCommand panics = guest.Start("echo 8 >/proc/sys/kernel/printk; echo c >/proc/sysrq-trigger; sleep 100");
        guest.Console.Expect("Kernel panic");
        guest.WaitUntilReady();
        guest.Kill();
        GuestException gone = Assert.Throws<GuestException>(() => panics.Wait());
        Assert.Contains("QEMU has ended", gone.Message, StringComparison.Ordinal);
        Assert.Contains("panicked", gone.Message, StringComparison.Ordinal);
    }
}
