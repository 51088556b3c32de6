using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Vireo.Core.Spec;

namespace Vireo.Cli.Inspect;

/// <summary>Writes a report for people.</summary>
internal static class ReportText
{
    private const int LabelWidth = 12;
    private const int LineWidth = 100;
    private const int CommandLengthMax = 200;

    /// <summary>Writes all of a report.</summary>
    public static void Write(BackEndReport report, TextWriter output)
    {
        WriteItem(output, "back-end", report.Path);
        if (report.ProcessId > 0)
        {
            WriteItem(output, "process", $"{report.ProcessId} {Shorten(Printable(report.ProcessCommand))}");
        }

        WriteItem(
            output,
            "type",
            report.Device?.Name ?? "not known (name it with --as TYPE to see its features and fields by name)"
        );
        WriteList(
            output,
            "features",
            Names(report.Features, FeatureNames.IsOfDevice, bit => FeatureNames.OfVirtio(bit, report.Device))
        );
        WriteList(
            output,
            "rings",
            Names(report.Features, bit => !FeatureNames.IsOfDevice(bit), bit => FeatureNames.OfVirtio(bit, null))
        );
        WriteList(
            output,
            "protocol",
            report.HasProtocolFeatures
                ? Names(report.ProtocolFeatures, _ => true, FeatureNames.OfProtocol)
                : ["no protocol features"]
        );
        WriteItem(output, "queues", report.QueueCount is { } count ? Text(count) : "it cannot say");
        if (report.Status is { } status)
        {
            WriteItem(output, "status", status == DeviceStatus.None ? "reset" : status.ToString());
        }

        WriteConfig(report, output);
        IReadOnlyList<string> remarks = Remarks.About(report);
        for (int index = 0; index < remarks.Count; index++)
        {
            WriteItem(output, index == 0 ? "unusual" : "", remarks[index]);
        }
    }

    /// <summary>The value of a field as people read it.</summary>
    public static string Format(ConfigField field, ReadOnlySpan<byte> config)
    {
        ReadOnlySpan<byte> bytes = config.Slice(field.Offset, field.LengthBytes);
        return field.LengthBytes switch
        {
            1 => Text(bytes[0]),
            2 => Text(BinaryPrimitives.ReadUInt16LittleEndian(bytes)),
            4 => Text(BinaryPrimitives.ReadUInt32LittleEndian(bytes)),
            8 => BinaryPrimitives.ReadUInt64LittleEndian(bytes).ToString(CultureInfo.InvariantCulture),
            _ when field.Name is "tag" or "card" => $"'{Printable(Encoding.UTF8.GetString(bytes).TrimEnd('\0'))}'",
            _ => string.Join(
                ':',
                Array.ConvertAll(bytes.ToArray(), value => value.ToString("x2", CultureInfo.InvariantCulture))
            ),
        };
    }

    /// <summary>Whether a field means something with the features on offer, and was read.</summary>
    public static bool IsValid(ConfigField field, BackEndReport report)
    {
        if (field.Offset + field.LengthBytes > report.Config.Length)
        {
            return false;
        }

        foreach (int bit in field.Features)
        {
            if (report.Features.Contains(bit))
            {
                return true;
            }
        }

        return field.Features.Count == 0;
    }

    private static void WriteConfig(BackEndReport report, TextWriter output)
    {
        if (report.Config.Length == 0)
        {
            return;
        }

        if (report.Device is null)
        {
            WriteBytes(report.Config, output);
            return;
        }

        string label = "config";
        foreach (ConfigField field in report.Device.Config)
        {
            if (IsValid(field, report))
            {
                WriteItem(output, label, $"{field.Name} = {Format(field, report.Config)}");
                label = "";
            }
        }
    }

    private static void WriteBytes(byte[] bytes, TextWriter output)
    {
        const int BytesInLine = 16;
        int end = Array.FindLastIndex(bytes, value => value != 0) + 1;
        WriteItem(output, "config", $"{bytes.Length} bytes, of which the last {bytes.Length - end} are zero:");
        for (int start = 0; start < end; start += BytesInLine)
        {
            int count = Math.Min(BytesInLine, end - start);
            WriteItem(output, "", Convert.ToHexStringLower(bytes.AsSpan(start, count)));
        }
    }

    private static List<string> Names(FeatureSet set, Predicate<int> isWanted, Func<int, string?> nameOf)
    {
        List<string> names = [];
        for (int bit = 0; bit < FeatureSet.BitCount; bit++)
        {
            if (set.Contains(bit) && isWanted(bit))
            {
                string number = bit.ToString(CultureInfo.InvariantCulture);
                names.Add(nameOf(bit) is { } name ? $"{name} ({number})" : $"bit {number}");
            }
        }

        return names.Count == 0 ? ["none"] : names;
    }

    private static void WriteItem(TextWriter output, string label, string text) =>
        output.WriteLine($"{label.PadRight(LabelWidth)} {text}".TrimEnd());

    private static void WriteList(TextWriter output, string label, IReadOnlyList<string> items)
    {
        var line = new StringBuilder();
        foreach (string item in items)
        {
            if (line.Length > 0 && line.Length + item.Length + LabelWidth > LineWidth)
            {
                WriteItem(output, label, line.ToString());
                label = "";
                line.Clear();
            }

            line.Append(line.Length == 0 ? "" : ", ").Append(item);
        }

        WriteItem(output, label, line.ToString());
    }

    /// <summary>The end of a long command is what tells one process from another.</summary>
    private static string Shorten(string text) =>
        text.Length <= CommandLengthMax ? text : $"...{text[^CommandLengthMax..]}";

    /// <summary>What a stranger says must not move the cursor.</summary>
    private static string Printable(string text)
    {
        char[] characters = text.ToCharArray();
        for (int index = 0; index < characters.Length; index++)
        {
            if (char.IsControl(characters[index]))
            {
                characters[index] = '?';
            }
        }

        return new string(characters);
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
