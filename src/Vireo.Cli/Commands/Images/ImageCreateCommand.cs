using System.CommandLine;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image create</c>.</summary>
internal static class ImageCreateCommand
{
    private const string Examples = """
          A qcow2 image of 20 GiB that takes room as it is written:
            vireo image create disk.qcow2 20G
          One on top of another, which stays as it is:
            vireo image create --backing base.qcow2 --backing-format qcow2 overlay.qcow2
        """;

    private const int ClusterBytesUsual = 65536;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> image = ImageArguments.Image(description: "The file to make; one that exists is replaced.");
        var size = new Argument<string?>("SIZE")
        {
            Description = "Size of the disk, such as 512M or 10G; default: that of the backing image.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<ImageFormat?> format = ImageArguments.Format("--format", "Its format; default: qcow2.");
        var backing = new Option<string?>("--backing", "-b")
        {
            Description = "What is not written to this image is read from that one, named from this image's folder.",
            HelpName = "IMAGE",
        };
        Option<ImageFormat?> backingFormat = ImageArguments.Format("--backing-format", "Format of the backing image.");
        Option<int> cluster = Accept.PowerOfTwo(
            "--cluster-size",
            "Bytes of a cluster.",
            512,
            2 << 20,
            ClusterBytesUsual
        );
        Option<int> refcountBits = Accept.PowerOfTwo("--refcount-bits", "Bits of a reference count.", 1, 64, 16);
        Option<int> version = Accept.Number("--compat", "Version of the format.", 2, 3, 3);
        var isLazy = new Option<bool>("--lazy-refcounts")
        {
            Description = "Write reference counts when the image is closed.",
        };
        var isExtended = new Option<bool>("--extended-l2") { Description = "Allocate 32nd parts of clusters." };
        Option<Qcow2Compression> compression = Accept.Choice(
            "--compression",
            "How compressed clusters will be compressed.",
            ("zlib", Qcow2Compression.Zlib),
            ("zstd", Qcow2Compression.Zstd)
        );
        var command = new DocumentedCommand("create", "Make an empty image.", Examples)
        {
            image,
            size,
            format,
            backing,
            backingFormat,
            cluster,
            refcountBits,
            version,
            isLazy,
            isExtended,
            compression,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(image);
            string? backingName = result.GetValue(backing);
            ImageFormat? behind = result.GetValue(backingFormat);
            if (backingName is not null && behind is null)
            {
                throw new CommandException(
                    "say the format of the backing image with --backing-format: its first bytes may be a guest's",
                    ExitCode.Usage
                );
            }

            long length = LengthOf(result.GetValue(size), path, backingName, behind, context);
            if ((result.GetValue(format) ?? ImageFormat.Qcow2) == ImageFormat.Raw)
            {
                if (backingName is not null)
                {
                    throw new CommandException("a raw image has no backing image", ExitCode.Usage);
                }

                DiskImages.CreateRaw(path, length);
                return ExitCode.Success;
            }

            if ((result.GetValue(format) ?? ImageFormat.Qcow2) != ImageFormat.Qcow2)
            {
                throw new CommandException("images are made in the formats raw and qcow2", ExitCode.Usage);
            }

            Qcow2Image.Create(
                path,
                new()
                {
                    LengthBytes = length,
                    ClusterBytes = result.GetValue(cluster),
                    Version = result.GetValue(version),
                    RefcountBits = result.GetValue(refcountBits),
                    HasLazyRefcounts = result.GetValue(isLazy),
                    HasExtendedL2 = result.GetValue(isExtended),
                    Compression = result.GetValue(compression),
                    BackingName = backingName,
                    BackingFormat = behind is { } known ? ImageFormats.NameOf(known) : null,
                }
            );
            return ExitCode.Success;
        });
        return command;
    }

    private static long LengthOf(
        string? size,
        string path,
        string? backingName,
        ImageFormat? behind,
        CommandContext context
    )
    {
        long? given = size is null ? null : ByteSize.TryParse(size);
        if (size is not null && (given is null || given % 512 != 0))
        {
            throw new CommandException(
                $"SIZE is '{size}', but has to be a size such as 512M or 10G, in whole sectors of 512 bytes",
                ExitCode.Usage
            );
        }

        if (backingName is null)
        {
            return given
                ?? throw new CommandException(
                    "say how large the disk is: vireo image create IMAGE SIZE",
                    ExitCode.Usage
                );
        }

        ImageOptions options = new() { Format = behind, IsReadOnly = true };
        using DiskImage backing = ImageArguments.Open(DiskImages.BackingPath(path, backingName), options, context);
        return given ?? (backing.LengthBytes + 511) / 512 * 512;
    }
}
