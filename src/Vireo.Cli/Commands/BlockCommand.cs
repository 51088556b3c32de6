using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Logging;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Memory;
using Vireo.Backends.Block.Nbd;
using Vireo.Backends.Block.Null;
using Vireo.Backends.Block.Raw;
using Vireo.Backends.Block.Rbd;
using Vireo.Backends.Block.Zoned;
using Vireo.Cli.Commands.Images;
using Vireo.Cli.Configuration;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Cli.Commands;

/// <summary><c>vireo block</c>: a disk.</summary>
internal sealed class BlockCommand : DeviceCommand
{
    private const int QueuesMax = 1024;
    private const int QueueSizeUsual = 256;
    private const int QueueSizeMax = 32768;
    private const int BlockBytesMax = 65536;
    private const int SegmentsMax = 1022;
    private const int UsualSegments = 126;
    private const int ReconnectSecondsMax = 86_400;
    private const int ReconnectSecondsUsual = 30;

    private readonly Argument<string?> _image = new("IMAGE")
    {
        Description =
            "The disk: an image, a block device, an NBD export (nbd://HOST/EXPORT), or a Ceph RBD image (rbd:POOL/IMAGE).",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _file = new("--blk-file")
    {
        Description = "The same as IMAGE, in the spelling of QEMU's convention.",
        HelpName = "PATH",
    };

    private readonly Option<long?> _memory = Accept.Size("--memory", "A disk of this size in memory, gone at the end.");
    private readonly Option<long?> _null = Accept.Size(
        "--null",
        "A disk of this size that keeps nothing, to measure all the rest."
    );
    private readonly Option<bool> _nullZeroes = new("--null-zeroes")
    {
        Description = "Let --null fill what is read with zeroes; otherwise the guest finds what its buffer held.",
    };

    private readonly Option<ImageFormat?> _format = ImageArguments.Format(
        "--format",
        "Format of the image; default: what it begins with."
    );

    private readonly Option<bool> _isOverlaid = new("--snapshot")
    {
        Description = "Leave the image as it is: what is written goes to a temporary file that is gone at the end.",
    };

    private readonly Option<string?> _shown = new("--at-snapshot")
    {
        Description = "Show the disk as it was at this internal snapshot of a qcow2 image, read-only.",
        HelpName = "NAME",
    };

    private readonly Option<int> _reconnect = Accept.Number(
        "--nbd-reconnect",
        "Seconds for which requests wait for a lost NBD server to come back, before they fail.",
        least: 0,
        ReconnectSecondsMax,
        ReconnectSecondsUsual
    );

    private readonly Option<bool> _isReadOnly = new("--read-only") { Description = "Let the guest read only." };

    private readonly Option<CacheMode> _cache = Accept.Choice(
        "--cache",
        "What the host does with written data until the guest flushes: the modes of QEMU.",
        ("writeback", CacheMode.Writeback),
        ("none", CacheMode.None),
        ("writethrough", CacheMode.Writethrough),
        ("directsync", CacheMode.Directsync),
        ("unsafe", CacheMode.Unsafe)
    );

    private readonly Option<EngineChoice> _engine = Accept.Choice(
        "--engine",
        "How the image is read and written; auto takes io_uring where the host allows it.",
        ("auto", EngineChoice.Auto),
        ("io_uring", EngineChoice.IoUring),
        ("threads", EngineChoice.Threads)
    );

    private readonly Option<bool> _registersMemory = new("--registered-memory")
    {
        Description =
            "Register the guest's memory with io_uring, which pins all of it: for --cache none and directsync, and guests without a balloon.",
    };

    private readonly Option<bool> _pollsDevice = new("--iopoll")
    {
        Description = "Ask the device for completions where it has queues for that: for --cache none and directsync.",
    };

    private readonly Option<int> _blockSize = Accept.PowerOfTwo(
        "--block-size",
        "Logical block size in bytes; default: that of the device, and 512 for a file.",
        BlockDevice.SectorBytes,
        BlockBytesMax
    );

    private readonly Option<bool> _noDiscard = new("--no-discard")
    {
        Description = "Keep storage that the guest says it does not need any more.",
    };

    private readonly Option<bool> _noLock = new("--no-lock")
    {
        Description = "Do not keep QEMU and others from writing to the image at the same time.",
    };

    private readonly Option<int> _queues = Accept.Number(
        "--queues",
        "Queues, so that several processors of a guest can work at once.",
        least: 1,
        QueuesMax,
        usual: 1
    );

    private readonly Option<int> _queueSize = Accept.PowerOfTwo(
        "--queue-size",
        "The largest size of a queue the guest may choose.",
        least: 2,
        QueueSizeMax,
        QueueSizeUsual
    );

    private readonly Option<string> _serial = new("--serial")
    {
        Description = "Serial number of the disk: up to 20 printable ASCII characters.",
        HelpName = "TEXT",
        DefaultValueFactory = _ => "",
    };

    private readonly Option<bool> _secureErase = new("--secure-erase")
    {
        Description = "Offer secure erase: for block devices that have it, which the kernel does not tell.",
    };

    private readonly Option<int> _segments = Accept.Number(
        "--segments-max",
        "Pieces of memory that the guest may put in one request.",
        least: 1,
        SegmentsMax,
        UsualSegments
    );

    private readonly Option<long?> _segmentBytes = Accept.Size(
        "--segment-size-max",
        "The longest such piece; default: no limit."
    );

    private readonly BlockFilterOptions _filters = new();
    private readonly ZoneOptions _zones = new();

    /// <inheritdoc/>
    public override string Name => "block";

    /// <inheritdoc/>
    public override string Summary => "Serve a disk (virtio block): /dev/vda in the guest.";

    /// <inheritdoc/>
    public override BackendCapabilities Capabilities { get; } = new("block", "blk-file", "read-only");

    /// <inheritdoc/>
    public override string Examples =>
        """
              Serve an image on a socket, and let a guest use it:
                vireo block disk.raw --vhost-user /tmp/disk.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -chardev socket,id=disk,path=/tmp/disk.sock -device vhost-user-blk-pci,chardev=disk ...
              The same as a PCI function of its own:
                vireo block disk.raw --vfio-user /tmp/disk.sock
                qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=mem,size=512M,share=on -M q35,memory-backend=mem \
                  -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/tmp/disk.sock"}}' ...
              Four queues on two threads, read-only, for members of a group:
                vireo block disk.raw --vhost-user /run/vm/disk.sock --queues 4 --threads 2 --read-only --socket-group kvm --socket-mode 660
              No more than 5000 requests and 200 MiB per second; when the host is full, wait for room instead of failing:
                vireo block disk.raw --vhost-user /tmp/disk.sock --iops 5000 --bps 200M --werror enospc
              Make the disk larger while the guest runs, then let a disk that has stopped go on:
                truncate -s 20G disk.raw && pkill -HUP -f 'vireo block disk.raw'
              A zoned disk with zones of 64 MiB, whose write pointers outlive the process:
                vireo block disk.raw --vhost-user /tmp/disk.sock --zone-size 64M --zone-state disk.zones
              As libvirt and others start it:
                vireo block --socket-path=/tmp/disk.sock --blk-file=disk.raw --read-only
              Use it with no guest at all:
                qemu-img bench -t none -n --image-opts driver=virtio-blk-vhost-user,path=/tmp/disk.sock,cache.direct=on
            """;

    /// <inheritdoc/>
    public override ServedDevice Open(ParseResult result, DeviceResources resources)
    {
        (IBlockBackend disk, string subject) = OpenDisk(result, resources);
        BackendStack owned = new(disk as IDisposable);
        try
        {
            RawDisk? raw = disk as RawDisk ?? (disk as ProbedRawDisk)?.Raw;
            Action? reload =
                raw is not null ? () => Refresh(raw.Refresh, raw, subject, resources.Logger)
                : disk is RbdDisk rbd ? () => Refresh(rbd.Refresh, rbd, subject, resources.Logger)
                : null;
            IBlockBackend shown = _filters.Apply(result, disk, resources, ref reload);
            if (raw?.DeviceZones is { } zones)
            {
                HostZonedDisk host = new(shown, zones, resources.Loops);
                owned.Add(host);
                shown = host;
            }

            if (_zones.TryOpen(result, shown, resources) is { } zoned)
            {
                owned.Add(zoned);
                if (zoned.DamagedZones > 0)
                {
                    BlockLog.DamagedZones(resources.Logger, subject, zoned.DamagedZones);
                }

                // Zones are of one size, and there are as many as there were.
                shown = zoned;
            }

            var options = new BlockOptions
            {
                QueueCount = result.GetValue(_queues),
                QueueSizeMax = (ushort)result.GetValue(_queueSize),
                Serial = result.GetValue(_serial)!,
                SegmentsMax = result.GetValue(_segments),
                SegmentBytesMax = (int)Math.Min(result.GetValue(_segmentBytes) ?? 0, int.MaxValue),
            };
            return new(new BlockDevice(shown, options), subject, owned) { Reload = reload };
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    /// <summary>Looks how large the image is now.</summary>
    private static void Refresh(Func<bool> refresh, IBlockBackend disk, string path, ILogger logger)
    {
        try
        {
            if (refresh())
            {
                BlockLog.Resized(logger, path, disk.CapacitySectors);
            }
        }
        catch (LinuxException exception)
        {
            BlockLog.NotRefreshed(logger, path, exception.Message);
        }
    }

    /// <inheritdoc/>
    protected override void AddOptions(Command command)
    {
        command.Add(_image);
        command.Add(_file);
        command.Add(_memory);
        command.Add(_null);
        command.Add(_nullZeroes);
        command.Add(_format);
        command.Add(_isOverlaid);
        command.Add(_shown);
        command.Add(_reconnect);
        command.Add(_isReadOnly);
        command.Add(_cache);
        command.Add(_engine);
        command.Add(_registersMemory);
        command.Add(_pollsDevice);
        command.Add(_blockSize);
        command.Add(_noDiscard);
        command.Add(_noLock);
        command.Add(_queues);
        command.Add(_queueSize);
        command.Add(_serial);
        command.Add(_secureErase);
        command.Add(_segments);
        command.Add(_segmentBytes);
        _filters.AddTo(command);
        _zones.AddTo(command);
        command.Validators.Add(CheckOneDisk);
    }

    private void CheckOneDisk(CommandResult result)
    {
        ReadOnlySpan<SymbolResult?> ways =
        [
            result.GetResult(_image),
            result.GetResult(_file),
            result.GetResult(_memory),
            result.GetResult(_null),
        ];
        int count = 0;
        foreach (SymbolResult? way in ways)
        {
            count += way is { Tokens.Count: > 0 } ? 1 : 0;
        }

        if (count != 1)
        {
            result.AddError("say which disk to serve: one of IMAGE, --blk-file PATH, --memory SIZE and --null SIZE");
        }
    }

    private static CommandException Explain(LinuxException exception, string path, bool isReadOnly) =>
        new(
            exception.Error switch
            {
                Errno.ENOENT => $"there is no image '{path}'; make one with 'truncate -s 10G {path}'",
                Errno.EISDIR => $"'{path}' is a folder; a disk is a file or a block device",
                Errno.EACCES or Errno.EPERM or Errno.EROFS when !isReadOnly =>
                    $"'{path}' cannot be opened for writing by this user; add --read-only or give the user the right",
                Errno.EACCES or Errno.EPERM =>
                    $"'{path}' cannot be opened for reading by this user; give the user the right",
                _ => exception.Message,
            }
        );

    private (IBlockBackend Disk, string Subject) OpenDisk(ParseResult result, DeviceResources resources)
    {
        bool isReadOnly = result.GetValue(_isReadOnly);
        if (result.GetValue(_memory) is { } memoryBytes)
        {
            return (
                new MemoryDisk(memoryBytes / BlockDevice.SectorBytes, isReadOnly),
                $"memory of {ByteSize.Format(memoryBytes)}"
            );
        }

        if (result.GetValue(_null) is { } nullBytes)
        {
            return (
                new NullDisk(nullBytes / BlockDevice.SectorBytes, isReadOnly, result.GetValue(_nullZeroes)),
                $"nothing of {ByteSize.Format(nullBytes)}"
            );
        }

        string path = (result.GetValue(_image) ?? result.GetValue(_file))!;
        var options = new RawDiskOptions
        {
            IsReadOnly = isReadOnly,
            Cache = result.GetValue(_cache),
            Engine = result.GetValue(_engine),
            LogicalBlockBytes = result.GetValue(_blockSize),
            AllowsDiscard = !result.GetValue(_noDiscard),
            IsLocked = !result.GetValue(_noLock),
            HasSecureErase = result.GetValue(_secureErase),
            RegistersMemory = result.GetValue(_registersMemory),
            PollsDevice = result.GetValue(_pollsDevice),
            Warn = sentence => BlockLog.Warned(resources.Logger, $"'{path}': {sentence}"),
        };
        try
        {
            return (OpenImage(result, path, options, resources), path);
        }
        catch (LinuxException exception)
        {
            throw Explain(exception, path, isReadOnly);
        }
    }

    private IBlockBackend OpenImage(ParseResult result, string path, RawDiskOptions options, DeviceResources resources)
    {
        if (NbdAddress.IsAddress(path) && !result.GetValue(_isOverlaid))
        {
            return OpenExport(result, path, options, resources);
        }

        if (RbdAddress.IsAddress(path))
        {
            return OpenRbd(result, path, options, resources);
        }

        ImageOptions image = new()
        {
            Format = result.GetValue(_format) ?? DiskImages.Probe(path),
            Snapshot = result.GetValue(_shown),
            Warn = sentence => BlockLog.Warned(resources.Logger, sentence),
        };
        if (result.GetValue(_isOverlaid))
        {
            if (options.IsReadOnly || image.Snapshot is not null)
            {
                throw new CommandException(
                    "--snapshot is for disks that are written; leave --read-only and --at-snapshot out",
                    ExitCode.Usage
                );
            }

            return Opened(DiskImages.OpenOverlay(path, image, resources.Loops, options), path, resources);
        }

        if (image.Format != ImageFormat.Raw || image.Snapshot is not null)
        {
            return Opened(DiskImages.OpenDisk(path, image, resources.Loops, options), path, resources);
        }

        var disk = RawDisk.Open(path, resources.Loops, options);
        BlockLog.Opened(resources.Logger, path, disk.CapacitySectors, disk.EngineDescription);
        if (result.GetValue(_format) is not null || options.IsReadOnly)
        {
            return disk;
        }

        BlockLog.Guessed(resources.Logger, path);
        return new ProbedRawDisk(disk);
    }

    private NbdDisk OpenExport(ParseResult result, string uri, RawDiskOptions options, DeviceResources resources)
    {
        if ((result.GetValue(_format) ?? ImageFormat.Raw) != ImageFormat.Raw || result.GetValue(_shown) is not null)
        {
            throw new CommandException(
                $"'{uri}' is an NBD export, which is raw and has no snapshots; let the server open the format ('qemu-nbd -f qcow2')",
                ExitCode.Usage
            );
        }

        NbdOptions nbd = new()
        {
            IsReadOnly = options.IsReadOnly,
            LogicalBlockBytes = options.LogicalBlockBytes,
            AllowsDiscard = options.AllowsDiscard,
            IsWriteThrough = options.Cache is CacheMode.Writethrough or CacheMode.Directsync,
            IsUnsafe = options.Cache == CacheMode.Unsafe,
            ReconnectFor = TimeSpan.FromSeconds(result.GetValue(_reconnect)),
            Tell = sentence => BlockLog.Warned(resources.Logger, sentence),
        };
        var disk = NbdDisk.Open(NbdAddress.Parse(uri), resources.Loops, nbd);
        if (disk.Traits.IsReadOnly && !options.IsReadOnly)
        {
            BlockLog.Warned(resources.Logger, $"'{uri}' can only be read, and so can the disk");
        }

        BlockLog.Opened(resources.Logger, uri, disk.CapacitySectors, "NBD");
        return disk;
    }

    private RbdDisk OpenRbd(ParseResult result, string text, RawDiskOptions options, DeviceResources resources)
    {
        if (
            (result.GetValue(_format) ?? ImageFormat.Raw) != ImageFormat.Raw
            || result.GetValue(_shown) is not null
            || result.GetValue(_isOverlaid)
        )
        {
            throw new CommandException(
                $"'{text}' is an RBD image, which is raw: --format, --at-snapshot and --snapshot are not for it; show one of its snapshots with rbd:POOL/IMAGE@SNAP",
                ExitCode.Usage
            );
        }

        var address = RbdAddress.Parse(text);
        RbdOptions rbd = new()
        {
            IsReadOnly = options.IsReadOnly,
            LogicalBlockBytes = options.LogicalBlockBytes,
            AllowsDiscard = options.AllowsDiscard,
            IsWriteThrough = options.Cache is CacheMode.Writethrough or CacheMode.Directsync,
            IsUnsafe = options.Cache == CacheMode.Unsafe,
        };
        RbdDisk disk;
        try
        {
            disk = RbdDisk.Open(address, resources.Loops, rbd);
        }
        catch (LinuxException exception)
        {
            // The user's rights and names are the cluster's: what is said of files does not fit.
            throw new CommandException($"'{text}' cannot be opened: {exception.Message}");
        }

        if (disk.Traits.IsReadOnly && !options.IsReadOnly)
        {
            BlockLog.Warned(resources.Logger, $"'{text}' is a snapshot, which can only be read, and so can the disk");
        }

        BlockLog.Opened(resources.Logger, text, disk.CapacitySectors, "librbd");
        return disk;
    }

    private static ImageDisk Opened(ImageDisk disk, string path, DeviceResources resources)
    {
        string name = ImageFormats.NameOf(disk.Image.Format);
        BlockLog.OpenedImage(resources.Logger, path, name, disk.CapacitySectors, disk.EngineDescription);
        disk.ImageFailed = exception => BlockLog.Failed(resources.Logger, path, exception.Message);
        return disk;
    }
}
