using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Vireo.Cli.Commands.Images;

/// <summary>Prints JSON the way qemu-img does.</summary>
internal static class ImageJson
{
    /// <summary>Prints what an action writes, and a line end.</summary>
    public static void Print(TextWriter output, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        var options = new JsonWriterOptions
        {
            Indented = true,
            IndentSize = 4,
            NewLine = "\n",
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            write(json);
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }
}
