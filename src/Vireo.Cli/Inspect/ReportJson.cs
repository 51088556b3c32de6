using System.Buffers;
using System.Text;
using System.Text.Json;
using Vireo.Core.Spec;

namespace Vireo.Cli.Inspect;

/// <summary>Writes a report for programs: one JSON object.</summary>
internal static class ReportJson
{
    /// <summary>Writes all of a report.</summary>
    public static void Write(BackEndReport report, TextWriter output)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("path", report.Path);
            json.WriteNumber("process", report.ProcessId);
            json.WriteString("command", report.ProcessCommand);
            json.WriteString("type", report.Device?.Name);
            WriteFeatures(json, "features", report.Features, bit => FeatureNames.OfVirtio(bit, report.Device));
            WriteFeatures(json, "protocol_features", report.ProtocolFeatures, FeatureNames.OfProtocol);
            if (report.QueueCount is { } count)
            {
                json.WriteNumber("queues", count);
            }

            if (report.Status is { } status)
            {
                json.WriteNumber("status", (int)status);
            }

            WriteConfig(json, report);
            json.WriteStartArray("unusual");
            foreach (string remark in Remarks.About(report))
            {
                json.WriteStringValue(remark);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.Write(Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n");
    }

    private static void WriteFeatures(Utf8JsonWriter json, string name, FeatureSet set, Func<int, string?> nameOf)
    {
        json.WriteStartArray(name);
        for (int bit = 0; bit < FeatureSet.BitCount; bit++)
        {
            if (set.Contains(bit))
            {
                json.WriteStartObject();
                json.WriteNumber("bit", bit);
                json.WriteString("name", nameOf(bit));
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteConfig(Utf8JsonWriter json, BackEndReport report)
    {
        json.WriteString("config", Convert.ToHexStringLower(report.Config));
        json.WriteStartObject("config_fields");
        foreach (ConfigField field in report.Device?.Config ?? [])
        {
            if (ReportText.IsValid(field, report))
            {
                json.WriteString(field.Name, ReportText.Format(field, report.Config));
            }
        }

        json.WriteEndObject();
    }
}
