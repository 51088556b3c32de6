using System.CommandLine;
using Vireo.Backends.Block.Images;
using Vireo.Cli.Configuration;
using Vireo.Linux;

namespace Vireo.Cli.Commands.Images;

/// <summary>The arguments and options that several image commands share.</summary>
internal static class ImageArguments
{
    private const string Formats = "raw, qcow2, vdi, vmdk, vpc, vhdx";

    /// <summary>The image.</summary>
    public static Argument<string> Image(string name = "IMAGE", string description = "The image.") =>
        new(name) { Description = description };

    /// <summary>An option that names a format; null when it is not there.</summary>
    public static Option<ImageFormat?> Format(string name, string description) =>
        new(name)
        {
            Description = $"{description} One of {Formats}.",
            HelpName = "FORMAT",
            CustomParser = argument =>
            {
                string text = argument.Tokens.Count == 1 ? argument.Tokens[0].Value : "";
                ImageFormat? format = ImageFormats.TryParse(text);
                if (format is null)
                {
                    argument.AddError($"{name} is '{text}', but has to be one of {Formats}");
                }

                return format;
            },
        };

    /// <summary>How results are printed.</summary>
    public static Option<OutputForm> Output() =>
        Accept.Choice(
            "--output",
            "Results for people, or in the form of qemu-img's JSON.",
            ("human", OutputForm.Human),
            ("json", OutputForm.Json)
        );

    /// <summary>Whether progress is shown.</summary>
    public static Option<bool> IsProgressShown() =>
        new("--progress", "-p") { Description = "Show on standard error how far it is." };

    /// <summary>Opens an image that somebody named.</summary>
    /// <exception cref="CommandException">It cannot be opened.</exception>
    public static DiskImage Open(string path, ImageOptions options, CommandContext context)
    {
        try
        {
            return DiskImages.Open(
                path,
                options with
                {
                    Warn = sentence => context.Error.WriteLine($"warning: {sentence}"),
                }
            );
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            throw new CommandException($"there is no image '{path}'");
        }
    }

    /// <summary>A size for people and for programs: <c>20G (21474836480 bytes)</c>.</summary>
    public static string Describe(long bytes) => $"{ByteSize.Format(bytes)} ({bytes} bytes)";
}
