using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Cli.Help;
using Vireo.Linux.Files;

namespace Vireo.Cli.Commands.Images;

/// <summary><c>vireo image info</c>.</summary>
internal static class ImageInfoCommand
{
    private const string Examples = """
          What an image is, for people and for programs:
            vireo image info disk.qcow2
            vireo image info --output json disk.qcow2
        """;

    /// <summary>Makes the command.</summary>
    public static Command Create(CommandContext context)
    {
        Argument<string> image = ImageArguments.Image();
        Option<ImageFormat?> format = ImageArguments.Format("--format", "Its format; default: what it begins with.");
        Option<OutputForm> form = ImageArguments.Output();
        var command = new DocumentedCommand("info", "Say what an image is.", Examples) { image, format, form };
        command.SetAction(result =>
        {
            // A look does no harm, so that an image in use may be looked at; what is behind it does not matter.
            ImageOptions options = new()
            {
                Format = result.GetValue(format),
                IsReadOnly = true,
                IsLocked = false,
                OpensBacking = false,
            };
            using DiskImage opened = ImageArguments.Open(result.GetRequiredValue(image), options, context);
            if (result.GetValue(form) == OutputForm.Json)
            {
                ImageJson.Print(context.Output, json => Write(json, opened));
            }
            else
            {
                Print(context.Output, opened);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static long AllocatedBytes(DiskImage image) => FileStatus.TryGet(image.Path)?.AllocatedBytes ?? 0;

    private static void Write(Utf8JsonWriter json, DiskImage image)
    {
        json.WriteStartObject();
        json.WriteNumber("virtual-size", image.LengthBytes);
        json.WriteString("filename", image.Path);
        if (image.ClusterBytes != 0)
        {
            json.WriteNumber("cluster-size", image.ClusterBytes);
        }

        json.WriteString("format", ImageFormats.NameOf(image.Format));
        json.WriteNumber("actual-size", AllocatedBytes(image));
        if (image is Qcow2Image qcow2)
        {
            WriteSpecific(json, qcow2);
        }

        json.WriteBoolean("dirty-flag", image is Qcow2Image { WasDirty: true });
        json.WriteEndObject();
    }

    private static void WriteSpecific(Utf8JsonWriter json, Qcow2Image image)
    {
        if (image.Snapshots.Count > 0)
        {
            json.WriteStartArray("snapshots");
            foreach (Qcow2Snapshot snapshot in image.Snapshots)
            {
                json.WriteStartObject();
                if (snapshot.InstructionCount is { } count)
                {
                    json.WriteNumber("icount", count);
                }

                json.WriteNumber("vm-clock-nsec", snapshot.ClockNanoseconds % 1_000_000_000);
                json.WriteString("name", snapshot.Name);
                json.WriteNumber("date-sec", snapshot.Seconds);
                json.WriteNumber("date-nsec", snapshot.Nanoseconds);
                json.WriteNumber("vm-clock-sec", snapshot.ClockNanoseconds / 1_000_000_000);
                json.WriteString("id", snapshot.Id);
                json.WriteNumber("vm-state-size", snapshot.StateBytes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        if (image.BackingName is { } name)
        {
            json.WriteString("full-backing-filename", FullName(image.Path, name));
            json.WriteString("backing-filename", name);
            if (image.BackingFormat is { } format)
            {
                json.WriteString("backing-filename-format", format);
            }
        }

        json.WriteStartObject("format-specific");
        json.WriteString("type", "qcow2");
        json.WriteStartObject("data");
        json.WriteString("compat", image.Version == 2 ? "0.10" : "1.1");
        json.WriteString("compression-type", image.Compression == Qcow2Compression.Zlib ? "zlib" : "zstd");
        if (image.Version == 3)
        {
            json.WriteBoolean("lazy-refcounts", image.HasLazyRefcounts);
        }

        json.WriteNumber("refcount-bits", image.RefcountBits);
        if (image.Version == 3)
        {
            json.WriteBoolean("corrupt", image.IsCorrupt);
            json.WriteBoolean("extended-l2", image.HasExtendedL2);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The backing image's name as it follows from the image's own, as far as it is a file's.</summary>
    private static string FullName(string path, string name)
    {
        string? folder = Path.GetDirectoryName(path);
        return Path.IsPathRooted(name) || string.IsNullOrEmpty(folder) ? name : Path.Combine(folder, name);
    }

    private static void Print(TextWriter output, DiskImage image)
    {
        output.WriteLine($"image: {image.Path}");
        output.WriteLine($"file format: {ImageFormats.NameOf(image.Format)}");
        output.WriteLine($"virtual size: {ImageArguments.Describe(image.LengthBytes)}");
        output.WriteLine($"disk size: {ImageArguments.Describe(AllocatedBytes(image))}");
        if (image.ClusterBytes != 0)
        {
            output.WriteLine($"cluster_size: {image.ClusterBytes}");
        }

        if (image is not Qcow2Image qcow2)
        {
            return;
        }

        if (qcow2.BackingName is { } name)
        {
            output.WriteLine($"backing file: {name}");
            output.WriteLine($"backing file format: {qcow2.BackingFormat ?? "not said"}");
        }

        foreach (Qcow2Snapshot snapshot in qcow2.Snapshots)
        {
            string date = DateTimeOffset
                .FromUnixTimeSeconds(snapshot.Seconds)
                .ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            output.WriteLine($"snapshot: {snapshot.Id} '{snapshot.Name}', made {date} UTC");
        }

        output.WriteLine($"compat: {(qcow2.Version == 2 ? "0.10" : "1.1")}");
        output.WriteLine($"compression type: {(qcow2.Compression == Qcow2Compression.Zlib ? "zlib" : "zstd")}");
        output.WriteLine($"lazy refcounts: {(qcow2.HasLazyRefcounts ? "true" : "false")}");
        output.WriteLine($"refcount bits: {qcow2.RefcountBits}");
        output.WriteLine($"corrupt: {(qcow2.IsCorrupt ? "true" : "false")}");
        output.WriteLine($"extended l2: {(qcow2.HasExtendedL2 ? "true" : "false")}");
    }
}
