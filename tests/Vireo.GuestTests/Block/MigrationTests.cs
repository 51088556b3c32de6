using System.Text.Json;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>A running guest moves to a second QEMU, and its disk to a second <c>vireo block</c>, while it writes and reads.</summary>
/// <remarks>
/// What tells whether a page was lost: memory that the guest fills and sums all the time; blocks that the device read into the page
/// cache after all memory had gone over once, so that only the device's own record of what it wrote brings them over; numbered
/// blocks on the disk.
/// </remarks>
public sealed class MigrationTests : GuestTest
{
    private const long DiskBytes = 128L << 20;

    /// <summary>Where the part of the disk begins that is only read.</summary>
    private const int ReadFromMegabyte = 64;

    /// <summary>Sums of the part that is only read, made without the page cache; then the load, in the background.</summary>
    private const string StartLoad = """
        umount /host
        echo 8192 >/sys/block/vda/queue/read_ahead_kb
        chunk=0
        while [ $chunk -lt 128 ]; do
            dd if=/dev/vda iflag=direct bs=131072 skip=$((512 + chunk)) count=1 2>/dev/null | md5sum >>/run/sums || exit 1
            chunk=$((chunk + 1))
        done
        # With the last who has a disk open goes its page cache: somebody keeps it open until the end.
        sleep 3600 </dev/vda >/dev/null 2>&1 &
        (
            number=0
            while [ ! -e /run/stop ]; do
                number=$((number + 1))
                printf 'block %08d\n' $number | dd of=/dev/vda bs=4096 seek=$number conv=sync,notrunc,fsync 2>/dev/null || break
                dd if=/dev/urandom of=/dev/shm/random$((number % 8)) bs=65536 count=4 2>/dev/null
                md5sum /dev/shm/random$((number % 8)) >/dev/shm/random$((number % 8)).md5
                # A reader sees the number before or this one, and never a file that is empty.
                echo $number >/run/number.new && mv /run/number.new /run/number
            done
            touch /run/stopped
        ) </dev/null >/dev/null 2>&1 &
        # More than goes over in a millisecond: the move does not end before it is let.
        (
            while [ ! -e /run/stop ]; do dd if=/dev/urandom of=/dev/shm/churn bs=65536 count=16 conv=notrunc; done
        ) </dev/null >/dev/null 2>&1 &
        """;

    /// <summary>Has the device write a part of the disk to pages that no processor touches.</summary>
    private const string ReadIntoCache = "dd if=/dev/vda of=/dev/null bs=131072 skip=512 count=128 2>/dev/null";

    private const string CheckAll = """
        touch /run/stop
        until [ -e /run/stopped ]; do sleep 0.1; done
        number=$(cat /run/number)
        for file in /dev/shm/random?; do
            check "$file is what was written" md5sum -c -s $file.md5
        done
        # From the page cache, as the device left it there: the disk itself is not asked.
        before=$(awk '{ print $3 }' /sys/block/vda/stat)
        chunk=0
        while [ $chunk -lt 128 ]; do
            dd if=/dev/vda bs=131072 skip=$((512 + chunk)) count=1 2>/dev/null | md5sum >>/run/sums.now
            chunk=$((chunk + 1))
        done
        is "sectors read from the disk for that" $(($(awk '{ print $3 }' /sys/block/vda/stat) - before)) 0
        check "what the device read into memory is there" cmp /run/sums /run/sums.now
        echo 3 >/proc/sys/vm/drop_caches
        block=1
        while [ $block -le $number ]; do
            text=$(dd if=/dev/vda bs=4096 skip=$block count=1 2>/dev/null | head -c 14)
            [ "$text" = "$(printf 'block %08d' $block)" ] || break
            block=$((block + 1))
        done
        is "the first block that is not there" $block $((number + 1))
        is "the kernel saw no error" "$(dmesg | grep -cE 'I/O error|Bad page|BUG:|Oops')" 0
        done_testing
        """;

    private static GuestConfiguration Small => GuestConfiguration.Default with { MemoryMegabytes = 192 };

    [Fact]
    public void RunningGuestMovesWithTheDirtyLog()
    {
        (Guest source, Guest target) = StartBoth(Small);

        int before = Prepare(source, "{\"max-bandwidth\":40000000,\"downtime-limit\":1}");
        source.Monitor.Execute("migrate", $"{{\"uri\":\"unix:{InScratch("move.sock")}\"}}");
        ReadAfterFirstPass(source);
        source.Monitor.Execute("migrate-set-parameters", "{\"downtime-limit\":2000}");
        Migration.WaitUntil(source, "completed");

        AssertMoved(source, target, before);
    }

    /// <summary>The guest runs at the target while most of its memory is still at the source: the daemon there waits for pages like the guest does.</summary>
    [Fact]
    public void RunningGuestMovesByPostcopy()
    {
        (Guest source, Guest target) = StartBoth(Small with { PackedRing = true, Queues = 2 });
        const string Capability = "{\"capabilities\":[{\"capability\":\"postcopy-ram\",\"state\":true}]}";
        // Refused where the back-end is not capable of it.
        target.Monitor.Execute("migrate-set-capabilities", Capability);
        source.Monitor.Execute("migrate-set-capabilities", Capability);

        int before = Prepare(
            source,
            "{\"max-bandwidth\":40000000,\"max-postcopy-bandwidth\":40000000,\"downtime-limit\":1}"
        );
        source.Monitor.Execute("migrate", $"{{\"uri\":\"unix:{InScratch("move.sock")}\"}}");
        ReadAfterFirstPass(source);
        source.Monitor.Execute("migrate-start-postcopy");
        JsonElement result = Migration.WaitUntil(source, "completed");

        AssertMoved(source, target, before);
        Assert.NotEqual(0, result.GetProperty("ram").GetProperty("postcopy-requests").GetInt64());
    }

    private (Guest Source, Guest Target) StartBoth(GuestConfiguration configuration)
    {
        string image = CreateImage("disk.raw", DiskBytes);
        using (FileStream file = File.OpenWrite(image))
        {
            byte[] megabyte = new byte[1 << 20];
            file.Position = (long)ReadFromMegabyte << 20;
            for (int count = 0; count < 16; count++)
            {
                Random.Shared.NextBytes(megabyte);
                file.Write(megabyte);
            }
        }

        Guest source = BootGuest(Command(image, "source.sock", configuration));
        Guest target = StartGuest(
            Command(image, "target.sock", configuration).With("-incoming", $"unix:{InScratch("move.sock")}")
        );
        target.Monitor.Execute("query-status");
        return (source, target);
    }

    private QemuCommand Command(string image, string socketName, GuestConfiguration configuration)
    {
        string socket = InScratch(socketName);
        // Both processes have the image open for a while, and the guest that runs uses one of them.
        StartVireo("block", image, "--no-lock", "--queues", $"{configuration.Queues}", "--vhost-user", socket);
        // Zeros that a processor writes to each new page would bring it over, whatever the device records.
        return new QemuCommand(configuration)
        {
            HasUserland = false,
            KernelWords = "init_on_alloc=0",
        }.WithVhostUserBlock(socket);
    }

    /// <summary>Starts the load, and gives the number of a block that was written.</summary>
    private static int Prepare(Guest source, string parameters)
    {
        source.Run(StartLoad);
        source.Monitor.Execute("migrate-set-parameters", parameters);
        return WaitUntilPast(source, 3);
    }

    /// <summary>Waits until a block behind the one with this number was written.</summary>
    private static int WaitUntilPast(Guest guest, int number) =>
        int.Parse(
            guest.Run(
                $"""
                until [ "$(cat /run/number 2>/dev/null || echo 0)" -gt {number} ]; do
                    [ ! -e /run/stopped ] || exit 1
                    sleep 0.1
                done
                cat /run/number
                """
            )
        );

    /// <summary>Waits until all memory has gone over once; then has the device write to memory.</summary>
    private static void ReadAfterFirstPass(Guest source)
    {
        Migration.WaitUntilSecondPass(source);
        source.Run(ReadIntoCache);
        Migration.WaitUntil(source, "active");
    }

    private static void AssertMoved(Guest source, Guest target, int before)
    {
        source.Kill();
        WaitUntilPast(target, before + 10);
        target.RunTap(CheckAll);
        target.PowerOff();
    }
}
