using Vireo.GuestTests.Rig;

namespace Vireo.GuestTests.Vduse;

/// <summary>Base of the tests in which vireo itself runs in a guest, on a kernel that has what this host's may lack.</summary>
public abstract class VduseTest : GuestTest
{
    /// <summary>Functions for the scripts: <c>serve NAME ARGUMENTS...</c> starts a vireo and waits until it is ready, <c>stop NAME</c> ends it.</summary>
    private const string Functions = """
        # From memory: what is mapped from the share is fetched page by page.
        vireo=/run/vireo/vireo
        # What was compiled ahead is good enough. To compile it again, better, costs an emulated processor several seconds at each
        # start; and it was compiled for processors without AVX, which is slow to emulate.
        export DOTNET_TieredPGO=0 DOTNET_TC_CallCountThreshold=10000 DOTNET_gcConcurrent=0 DOTNET_EnableAVX=0
        await() {
            i=0
            until "$@" >/dev/null 2>&1; do
                i=$((i + 1))
                [ "$i" -lt 1000 ] || { echo "not in time: $*"; return 1; }
                sleep 0.3
            done
        }
        # What is checked runs in a shell of its own, so all that is known of a vireo is in files: /tmp/NAME.pid, .status, .out, .err.
        serve() {
            name="/tmp/$1"
            shift
            rm -f "$name.status" "$name.out"
            bash -c 'name=$1; shift; "$@" --log-level debug >"$name.out" 2>>"$name.err" & echo $! >"$name.pid"; wait $!; echo $? >"$name.status"' \
                serve "$name" "$vireo" "$@" >/dev/null 2>&1 &
            await sh -c "grep -q ready: $name.out || test -s $name.status"
            grep -q ready: "$name.out" || { cat "$name.err"; return 1; }
        }
        # stop NAME: asks it to end, and says how it ended. murder NAME: does not ask.
        stop() { kill -TERM "$(cat "/tmp/$1.pid")"; ended "$1"; }
        ended() { await test -s "/tmp/$1.status"; cat "/tmp/$1.status"; }
        murder() { kill -9 "$(cat "/tmp/$1.pid")"; ended "$1" >/dev/null; }
        # Runs a command that the kernel makes wait for the device; says what the device thought of it when it fails.
        bus() { timeout 250 "$vireo" vdpa "$@" || { tail -n 30 /tmp/*.err; dmesg | tail -n 20; return 1; }; }
        """;

    /// <summary>How long a script of these tests may take: programs that are emulated start slowly, more so on a busy machine.</summary>
    protected static TimeSpan Patience { get; } = TimeSpan.FromMinutes(9);

    /// <summary>Boots a guest with vireo in /run/published, the downloads in /run/cache, and some modules loaded.</summary>
    /// <param name="megabytes">Memory of the guest.</param>
    /// <param name="modules">Modules to load, in this order.</param>
    protected Guest BootWithVireo(int megabytes, params string[] modules)
    {
        GuestConfiguration configuration = GuestConfiguration.Default with { MemoryMegabytes = megabytes };
        QemuCommand command = new(configuration);
        Share(command, "cache", GuestArtifacts.Cache);
        Share(command, "published", Path.GetDirectoryName(GuestArtifacts.PublishedVireo)!);
        // Without it the first random number of the runtime takes seconds.
        command.With("-device", "virtio-rng-pci");
        Guest guest = StartGuest(command);
        File.WriteAllText(Path.Combine(guest.HostFolder, "functions"), Functions);
        guest.WaitUntilReady();
        guest.Run(
            $"""
            for tag in cache published; do
                mkdir -p /run/$tag
                mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose $tag /run/$tag
            done
            cp /run/published/vireo /run/vireo/vireo
            for module in {string.Join(' ', modules)}; do modprobe $module || exit 1; done
            """,
            Patience
        );
        return guest;
    }

    /// <summary>Where a file of the cache is in the guest.</summary>
    protected static string InGuest(string path) =>
        Path.Combine("/run/cache", Path.GetRelativePath(GuestArtifacts.Cache, path));

    private static void Share(QemuCommand command, string tag, string folder) =>
        command.With(
            "-fsdev",
            $"local,id={tag},path={folder},security_model=none,multidevs=remap,readonly=on",
            "-device",
            $"virtio-9p-pci,fsdev={tag},mount_tag={tag}"
        );
}
