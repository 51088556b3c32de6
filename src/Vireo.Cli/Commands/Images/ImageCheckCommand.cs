using System.CommandLine;
using System.Text.Json;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Cli.Configuration;
using Vireo.Cli.Help;
using Vireo.Linux;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image check</c>.</summary>
internal static class ImageCheckCommand
{
    /// <summary>What qemu-img ends with, too.</summary>
    private const int ExitCorrupt = 2;
    private const int ExitLeaks = 3;
    private const int ExitNotSupported = 63;

    private const string Examples = """
          Look whether an image is whole:
            vireo image check disk.qcow2
          Repair what can be repaired:
            vireo image check --repair all disk.qcow2
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> image = ImageArguments.Image();
        Option<ImageFormat?> format = ImageArguments.Format("--format", "Its format; default: what it begins with.");
        Option<Qcow2Repair> repair = Accept.Choice(
            "--repair",
            "What to repair.",
            ("none", Qcow2Repair.None),
            ("leaks", Qcow2Repair.Leaks),
            ("all", Qcow2Repair.All)
        );
        Option<OutputForm> form = ImageArguments.Output();
        var command = new DocumentedCommand("check", "Look whether an image is whole, and repair it.", Examples)
        {
            image,
            format,
            repair,
            form,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(image);
            ImageFormat found = result.GetValue(format) ?? Probe(path);
            if (found != ImageFormat.Qcow2)
            {
                context.Error.WriteLine(
                    $"'{path}' is a {ImageFormats.NameOf(found)} image, which has nothing to check"
                );
                return ExitNotSupported;
            }

            Qcow2CheckResult checkedImage = Qcow2Image.Check(path, result.GetValue(repair));
            if (result.GetValue(form) == OutputForm.Json)
            {
                ImageJson.Print(context.Output, json => Write(json, path, checkedImage));
            }
            else
            {
                Print(context.Output, checkedImage);
            }

            bool isCorrupt = checkedImage.Corruptions > checkedImage.CorruptionsFixed;
            bool hasLeaks = checkedImage.Leaks > checkedImage.LeaksFixed;
            return isCorrupt ? ExitCorrupt
                : hasLeaks ? ExitLeaks
                : ExitCode.Success;
        });
        return command;
    }

    private static ImageFormat Probe(string path)
    {
        try
        {
            return DiskImages.Probe(path);
        }
        catch (LinuxException exception) when (exception.Error == Errno.ENOENT)
        {
            throw new CommandException($"there is no image '{path}'");
        }
    }

    private static void Write(Utf8JsonWriter json, string path, Qcow2CheckResult result)
    {
        json.WriteStartObject();
        json.WriteNumber("image-end-offset", result.ImageEndOffset);
        json.WriteNumber("total-clusters", result.TotalClusters);
        json.WriteNumber("check-errors", 0);
        WriteIfAny(json, "leaks-fixed", result.LeaksFixed);
        WriteIfAny(json, "corruptions-fixed", result.CorruptionsFixed);
        WriteIfAny(json, "leaks", result.Leaks - result.LeaksFixed);
        WriteIfAny(json, "corruptions", result.Corruptions - result.CorruptionsFixed);
        WriteIfAny(json, "allocated-clusters", result.AllocatedClusters);
        WriteIfAny(json, "fragmented-clusters", result.FragmentedClusters);
        WriteIfAny(json, "compressed-clusters", result.CompressedClusters);
        json.WriteString("filename", path);
        json.WriteString("format", "qcow2");
        json.WriteEndObject();
    }

    private static void WriteIfAny(Utf8JsonWriter json, string name, long value)
    {
        if (value != 0)
        {
            json.WriteNumber(name, value);
        }
    }

    private static void Print(TextWriter output, Qcow2CheckResult result)
    {
        foreach (string message in result.Messages)
        {
            output.WriteLine(message);
        }

        if (result.LeaksFixed + result.CorruptionsFixed > 0)
        {
            output.WriteLine($"repaired: {result.LeaksFixed} leaked clusters, {result.CorruptionsFixed} errors");
        }

        long corruptions = result.Corruptions - result.CorruptionsFixed;
        long leaks = result.Leaks - result.LeaksFixed;
        output.WriteLine(
            corruptions + leaks == 0
                ? "No errors were found on the image."
                : $"{corruptions} errors were found on the image, and {leaks} leaked clusters."
        );
        double percent = result.TotalClusters == 0 ? 0 : 100.0 * result.AllocatedClusters / result.TotalClusters;
        output.WriteLine(
            $"{result.AllocatedClusters}/{result.TotalClusters} = {percent:0.00}% allocated, {result.FragmentedClusters} fragmented, {result.CompressedClusters} compressed clusters"
        );
        output.WriteLine($"Image end offset: {result.ImageEndOffset}");
    }
}
