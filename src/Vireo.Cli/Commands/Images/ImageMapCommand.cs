using System.CommandLine;
using System.Text.Json;
using Vireo.Backends.Block.Images;
using Vireo.Cli.Help;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image map</c>.</summary>
internal static class ImageMapCommand
{
    private const int ColumnWidth = 16;

    private const string Examples = """
          Which parts of the disk are in which file, and where:
            vireo image map --output json disk.qcow2
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> image = ImageArguments.Image();
        Option<ImageFormat?> format = ImageArguments.Format("--format", "Its format; default: what it begins with.");
        Option<OutputForm> form = ImageArguments.Output();
        var command = new DocumentedCommand("map", "Say where the parts of a disk are.", Examples)
        {
            image,
            format,
            form,
        };
        command.SetAction(result =>
        {
            ImageOptions options = new() { Format = result.GetValue(format), IsReadOnly = true };
            using DiskImage opened = ImageArguments.Open(result.GetRequiredValue(image), options, context);
            List<ImageMapEntry> entries = ImageMap.Of(opened);
            if (result.GetValue(form) == OutputForm.Json)
            {
                ImageJson.Print(context.Output, json => Write(json, entries));
            }
            else
            {
                Print(context.Output, entries);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static void Write(Utf8JsonWriter json, List<ImageMapEntry> entries)
    {
        json.WriteStartArray();
        foreach (ImageMapEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteNumber("start", entry.Start);
            json.WriteNumber("length", entry.LengthBytes);
            json.WriteNumber("depth", entry.Depth);
            json.WriteBoolean("present", entry.IsPresent);
            json.WriteBoolean("zero", entry.IsZero);
            json.WriteBoolean("data", !entry.IsZero);
            json.WriteBoolean("compressed", entry.IsCompressed);
            if (entry.FileOffset >= 0)
            {
                json.WriteNumber("offset", entry.FileOffset);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Print(TextWriter output, List<ImageMapEntry> entries)
    {
        output.WriteLine(Line("Offset", "Length", "Mapped to", "File"));
        foreach (ImageMapEntry entry in entries)
        {
            if (!entry.IsZero)
            {
                string place = entry.FileOffset >= 0 ? Hex(entry.FileOffset) : "compressed";
                output.WriteLine(Line(Hex(entry.Start), Hex(entry.LengthBytes), place, entry.Path));
            }
        }
    }

    private static string Hex(long value) => $"0x{value:x}";

    private static string Line(string first, string second, string third, string last) =>
        first.PadRight(ColumnWidth) + second.PadRight(ColumnWidth) + third.PadRight(ColumnWidth) + last;
}
