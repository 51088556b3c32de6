using System.CommandLine;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image convert</c>.</summary>
internal static class ImageConvertCommand
{
    private const string Examples = """
          Copy a raw image into a compressed qcow2 image, and show how far it is:
            vireo image convert --from raw --to qcow2 --compress -p disk.raw disk.qcow2
          Take a snapshot out of an image:
            vireo image convert --snapshot before-upgrade --to raw disk.qcow2 old.raw
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> source = ImageArguments.Image("SOURCE", "The image to copy.");
        Argument<string> target = ImageArguments.Image("TARGET", "The file to make; one that exists is replaced.");
        Option<ImageFormat?> from = ImageArguments.Format(
            "--from",
            "Format of the source; default: what it begins with."
        );
        Option<ImageFormat?> to = ImageArguments.Format("--to", "Format of the target, raw or qcow2; default: qcow2.");
        var isCompressed = new Option<bool>("--compress", "-c")
        {
            Description = "Compress the target's clusters (qcow2).",
        };
        Option<Qcow2Compression> compression = Accept.Choice(
            "--compression",
            "How they are compressed.",
            ("zlib", Qcow2Compression.Zlib),
            ("zstd", Qcow2Compression.Zstd)
        );
        Option<int> cluster = Accept.PowerOfTwo(
            "--cluster-size",
            "Bytes of a cluster of the target.",
            512,
            2 << 20,
            65536
        );
        var snapshot = new Option<string?>("--snapshot")
        {
            Description = "Copy this snapshot of the source instead of its present state.",
            HelpName = "NAME",
        };
        Option<bool> isShown = ImageArguments.IsProgressShown();
        var command = new DocumentedCommand("convert", "Copy an image into another format.", Examples)
        {
            source,
            target,
            from,
            to,
            isCompressed,
            compression,
            cluster,
            snapshot,
            isShown,
        };
        command.SetAction(result =>
        {
            ImageFormat format = result.GetValue(to) ?? ImageFormat.Qcow2;
            bool compresses = result.GetValue(isCompressed);
            if (format is not (ImageFormat.Raw or ImageFormat.Qcow2) || (compresses && format == ImageFormat.Raw))
            {
                throw new CommandException(
                    compresses ? "only qcow2 images are compressed" : "images are made in the formats raw and qcow2",
                    ExitCode.Usage
                );
            }

            ImageOptions options = new()
            {
                Format = result.GetValue(from),
                IsReadOnly = true,
                Snapshot = result.GetValue(snapshot),
            };
            using DiskImage input = ImageArguments.Open(result.GetRequiredValue(source), options, context);
            string path = result.GetRequiredValue(target);
            ThrowIfSame(input, path);
            long length = (input.LengthBytes + 511) / 512 * 512;
            if (format == ImageFormat.Raw)
            {
                DiskImages.CreateRaw(path, length);
            }
            else
            {
                Qcow2Options made = new()
                {
                    LengthBytes = length,
                    ClusterBytes = result.GetValue(cluster),
                    Compression = result.GetValue(compression),
                };
                Qcow2Image.Create(path, made);
            }

            using DiskImage output = DiskImages.Open(path, new() { Format = format });
            using ImageProgress progress = new(result.GetValue(isShown) ? context.Error : null, input.LengthBytes);
            ImageCopy.Run(input, output, compresses, progress);
            output.Flush();
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Making the target would destroy the source.</summary>
    private static void ThrowIfSame(DiskImage source, string target)
    {
        var there = Vireo.Linux.Files.FileStatus.TryGet(target);
        for (DiskImage? image = source; image is not null && there is not null; image = image.Backing)
        {
            var one = Vireo.Linux.Files.FileStatus.TryGet(image.Path);
            if (one is not null && one.Inode == there.Inode && one.Device == there.Device)
            {
                throw new CommandException($"'{target}' belongs to the source; name another file");
            }
        }
    }
}
