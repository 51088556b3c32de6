using System.CommandLine;
using Vireo.Backends.Block.Zoned;
using Vireo.Cli.Configuration;
using Vireo.Devices.Block;

namespace Vireo.Cli.Commands;

/// <summary>How a disk is shown as a host-managed zoned one.</summary>
internal sealed class ZoneOptions
{
    private const int ZonesMax = 1 << 24;

    private readonly Option<long?> _size = Accept.Size(
        "--zone-size",
        "Show the disk as a host-managed zoned one with zones of this size, a power of two."
    );

    private readonly Option<long?> _capacity = Accept.Size("--zone-capacity", "How much of a zone can be written.");

    private readonly Option<int> _conventional = Accept.Number(
        "--zone-conventional",
        "How many zones, from the first, are conventional.",
        least: 0,
        ZonesMax,
        usual: 0
    );

    private readonly Option<int> _open = Accept.Number(
        "--zone-max-open",
        "How many zones may be open at once; 0 for no limit.",
        least: 0,
        ZonesMax,
        usual: 14
    );

    private readonly Option<int> _active = Accept.Number(
        "--zone-max-active",
        "How many zones may be open or closed at once; 0 for no limit.",
        least: 0,
        ZonesMax,
        usual: 14
    );

    private readonly Option<long?> _append = Accept.Size("--zone-max-append", "The largest zone append; default: 4M.");

    private readonly Option<string?> _state = new("--zone-state")
    {
        Description =
            "File that keeps the write pointers, made when it is not there; without it they last as long as the process.",
        HelpName = "PATH",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_size);
        command.Add(_capacity);
        command.Add(_conventional);
        command.Add(_open);
        command.Add(_active);
        command.Add(_append);
        command.Add(_state);
    }

    /// <summary>Divides a disk into zones, if the command line asks for it.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="disk">The disk; stays the caller's.</param>
    /// <param name="resources">What the zones may use.</param>
    /// <returns>The disk with zones, to be disposed before the other; null for none.</returns>
    public ZonedDisk? TryOpen(ParseResult result, IBlockBackend disk, DeviceResources resources)
    {
        if (result.GetValue(_size) is not { } size)
        {
            return null;
        }

        ZonedDiskOptions usual = new();
        return new(
            disk,
            resources.Loops,
            usual with
            {
                ZoneSectors = SectorsOf(size, "--zone-size"),
                ZoneCapacitySectors = SectorsOf(result.GetValue(_capacity) ?? 0, "--zone-capacity"),
                ConventionalZones = result.GetValue(_conventional),
                OpenZonesMax = (uint)result.GetValue(_open),
                ActiveZonesMax = (uint)result.GetValue(_active),
                AppendSectorsMax = result.GetValue(_append) is { } append
                    ? SectorsOf(append, "--zone-max-append")
                    : usual.AppendSectorsMax,
                StatePath = result.GetValue(_state),
            }
        );
    }

    private static uint SectorsOf(long bytes, string name)
    {
        long sectors = bytes / BlockDevice.SectorBytes;
        return sectors <= uint.MaxValue
            ? (uint)sectors
            : throw new CommandException($"{name} is {ByteSize.Format(bytes)}, but has to be below 2T", ExitCode.Usage);
    }
}
