using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Vireo.Cli.Commands;

/// <summary>What <c>--print-capabilities</c> prints: the answer to a manager that wants to know what it may ask for.</summary>
/// <param name="Type">The device type's name in QEMU's schema <c>vhost-user.json</c>, or ours where the schema has none.</param>
/// <param name="Features">The optional words of the convention that the device understands.</param>
internal sealed record BackendCapabilities(string Type, params IReadOnlyList<string> Features)
{
    /// <summary>Writes one JSON object and a line end.</summary>
    public void WriteTo(TextWriter output)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("type", Type);
            json.WriteStartArray("features");
            foreach (string feature in Features)
            {
                json.WriteStringValue(feature);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.Write(Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n");
    }
}
