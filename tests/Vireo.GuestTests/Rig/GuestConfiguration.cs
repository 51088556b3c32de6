using System.Globalization;
using System.Text.Json;

namespace Vireo.GuestTests.Rig;

/// <summary>How the guest of a test is set up: one test body runs with many of these, as theory data.</summary>
public sealed record GuestConfiguration
{
    public GuestMachine Machine { get; init; } = GuestMachine.Q35;

    public GuestFirmware Firmware { get; init; } = GuestFirmware.SeaBios;

    public QemuVersion Qemu { get; init; } = QemuVersion.Newest;

    /// <summary>Where the device under test lives.</summary>
    public GuestHome Home { get; init; } = GuestHome.VhostUser;

    public int Cpus { get; init; } = 2;

    /// <summary>How many request queues the device under test has, where it can have several.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Whether the packed ring is offered to the driver, by the front-end or by the device itself.</summary>
    public bool PackedRing { get; init; }

    /// <summary>Whether the front-end offers indirect descriptors.</summary>
    public bool IndirectDescriptors { get; init; } = true;

    /// <summary>Whether the front-end offers EVENT_IDX.</summary>
    public bool EventIndex { get; init; } = true;

    /// <summary>Whether the guest's kernel does without MSI and MSI-X.</summary>
    public bool LineInterrupts { get; init; }

    public int MemoryMegabytes { get; init; } = 512;

    /// <summary>Whether the guest's memory is shared with other processes; without it, only a vfio-user device reaches it, by messages.</summary>
    public bool SharedMemory { get; init; } = true;

    /// <summary>PCI, SeaBIOS, the newest QEMU.</summary>
    public static GuestConfiguration Default { get; } = new();

    /// <summary>The front-end many hosts still run.</summary>
    public static GuestConfiguration OldQemu { get; } = new() { Qemu = QemuVersion.Debian12 };

    /// <summary>virtio-mmio with a BIOS that does not touch the disk.</summary>
    public static GuestConfiguration MicroVm { get; } =
        new() { Machine = GuestMachine.MicroVm, Firmware = GuestFirmware.QBoot };

    /// <summary>virtio-mmio with a BIOS that drives the disk with buffers outside the shared memory.</summary>
    public static GuestConfiguration MicroVmSeaBios { get; } = new() { Machine = GuestMachine.MicroVm };

    /// <summary>Channel I/O.</summary>
    public static GuestConfiguration S390x { get; } = new() { Machine = GuestMachine.S390x };

    /// <summary>The device under test is a PCI function of its own; split rings and MSI-X.</summary>
    public static GuestConfiguration VfioUser { get; } = new() { Home = GuestHome.VfioUser };

    /// <summary>How vireo is told to serve on a socket.</summary>
    public string[] HomeArguments(string socket) =>
        Home == GuestHome.VhostUser
            ? ["--vhost-user", socket]
            : ["--vfio-user", socket, "--ring", PackedRing ? "packed" : "split"];

    /// <summary>The virtio properties of the device under test, as they follow a device name on QEMU's command line.</summary>
    public string RingOptions =>
        (PackedRing ? ",packed=on" : "")
        + (IndirectDescriptors ? "" : ",indirect_desc=off")
        + (EventIndex ? "" : ",event_idx=off");

    /// <summary>What a test's name says of it.</summary>
    public override string ToString()
    {
        var words = new List<string>
        {
            Machine.ToString().ToLowerInvariant(),
            Firmware.ToString().ToLowerInvariant(),
            Qemu == QemuVersion.Newest ? "qemu-newest" : "qemu-7.2",
            string.Create(CultureInfo.InvariantCulture, $"{Cpus} cpus"),
            string.Create(CultureInfo.InvariantCulture, $"{Queues} queues"),
            PackedRing ? "packed" : "split",
        };
        if (Home == GuestHome.VfioUser)
        {
            words.Add("vfio-user");
        }

        if (!SharedMemory)
        {
            words.Add("memory of its own");
        }

        if (LineInterrupts)
        {
            words.Add("line interrupts");
        }

        if (!IndirectDescriptors)
        {
            words.Add("no indirect");
        }

        if (!EventIndex)
        {
            words.Add("no event index");
        }

        return string.Join(' ', words);
    }

    /// <summary>The form in which the test runner stores it.</summary>
    public string Serialize() => JsonSerializer.Serialize(this);

    /// <summary>The configuration that <see cref="Serialize"/> wrote.</summary>
    public static GuestConfiguration Deserialize(string text) => JsonSerializer.Deserialize<GuestConfiguration>(text)!;
}
