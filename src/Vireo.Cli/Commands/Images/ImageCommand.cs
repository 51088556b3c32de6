using System.CommandLine;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image</c>: what is done with images while nobody serves them.</summary>
internal static class ImageCommand
{
    private const string Examples = """
          Make an image of 20 GiB, and one on top of it that takes all writes:
            vireo image create disk.qcow2 20G
            vireo image create --backing disk.qcow2 --backing-format qcow2 overlay.qcow2
          Copy an image into another format, compressed:
            vireo image convert --to qcow2 --compress disk.raw disk.qcow2
          Look whether an image is whole, and repair it:
            vireo image check --repair all disk.qcow2
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context) =>
        new DocumentedCommand("image", "Make, look at, check, copy and merge disk images.", Examples)
        {
            ImageCreateCommand.Create(context),
            ImageInfoCommand.Create(context),
            ImageCheckCommand.Create(context),
            ImageMapCommand.Create(context),
            ImageConvertCommand.Create(context),
            ImageCommitCommand.Create(context),
        };
}
