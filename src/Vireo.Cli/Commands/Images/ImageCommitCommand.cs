using System.CommandLine;
using Vireo.Backends.Block.Images;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image commit</c>.</summary>
internal static class ImageCommitCommand
{
    private const int PieceBytes = 1 << 20;

    private const string Examples = """
          Bring what an overlay holds into the image behind it, and empty the overlay:
            vireo image commit -p overlay.qcow2
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> image = ImageArguments.Image(description: "The overlay.");
        Option<ImageFormat?> format = ImageArguments.Format("--format", "Its format; default: what it begins with.");
        var keeps = new Option<bool>("--keep", "-d") { Description = "Leave the overlay as it is." };
        Option<bool> isShown = ImageArguments.IsProgressShown();
        var command = new DocumentedCommand(
            "commit",
            "Bring what an image holds into its backing image, and empty it.",
            Examples
        )
        {
            image,
            format,
            keeps,
            isShown,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(image);
            ImageOptions options = new() { Format = result.GetValue(format), OpensBacking = false };
            using DiskImage overlay = ImageArguments.Open(path, options, context);
            using DiskImage behind = DiskImages.OpenBackingForWriting(overlay);
            using ImageProgress progress = new(result.GetValue(isShown) ? context.Error : null, overlay.LengthBytes);
            Commit(overlay, behind, progress);
            behind.Flush();
            if (!result.GetValue(keeps))
            {
                DiskImages.Empty(overlay);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static void Commit(DiskImage overlay, DiskImage behind, ImageProgress progress)
    {
        if (behind.LengthBytes < overlay.LengthBytes)
        {
            throw new CommandException(
                $"'{behind.Path}' has {behind.LengthBytes} bytes and '{overlay.Path}' {overlay.LengthBytes}; make the backing image as large first ('qemu-img resize')"
            );
        }

        byte[] buffer = new byte[PieceBytes];
        long offset = 0;
        while (offset < overlay.LengthBytes)
        {
            progress.Report(offset);
            ImageExtent extent = overlay.Map(offset, overlay.LengthBytes - offset);
            long length = extent.LengthBytes;
            if (extent.Kind == ExtentKind.Zero)
            {
                length = Math.Min(length, 1L << 30);
                behind.WriteZeroes(offset, length, mayUnmap: true);
            }
            else if (extent.Kind != ExtentKind.Unallocated)
            {
                length = Math.Min(length, PieceBytes);
                Span<byte> piece = buffer.AsSpan(0, (int)length);
                overlay.Read(offset, piece);
                behind.Write(offset, piece);
            }

            offset += length;
        }

        progress.Report(offset);
    }
}
