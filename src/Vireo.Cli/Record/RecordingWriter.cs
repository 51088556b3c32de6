using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Vireo.Cli.Record;

/// <summary>Writes a recording: one JSON object a line, each on the disk before the message goes on.</summary>
internal sealed class RecordingWriter : IDisposable
{
    /// <summary>Tells readers what they read; raised when old readers cannot read it.</summary>
    public const int Version = 1;

    private readonly StreamWriter _lines;

    /// <summary>Begins a recording.</summary>
    /// <param name="path">The file; is replaced if it is there.</param>
    public RecordingWriter(string path)
    {
        _lines = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
        {
            AutoFlush = true,
            NewLine = "\n",
        };
        WriteLine(json => json.WriteNumber(RecordingReader.VersionKey, Version));
    }

    /// <summary>Adds a message.</summary>
    public void Write(RecordedMessage message) =>
        WriteLine(json =>
        {
            json.WriteNumber("session", message.Session);
            json.WriteNumber("us", (long)message.Time.TotalMicroseconds);
            json.WriteString("from", RecordingReader.NameOf(message.Direction));
            json.WriteNumber("request", message.Request);
            json.WriteString("name", message.Name);
            json.WriteNumber("flags", message.Flags);
            json.WriteString("payload", Convert.ToHexStringLower(message.Payload));
            if (message.Descriptors.Count > 0)
            {
                json.WriteStartArray("descriptors");
                foreach (RecordedDescriptor descriptor in message.Descriptors)
                {
                    json.WriteStartObject();
                    json.WriteString("kind", descriptor.Kind.ToString());
                    json.WriteNumber("bytes", descriptor.Bytes);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }
        });

    /// <summary>Closes the file.</summary>
    public void Dispose() => _lines.Dispose();

    private void WriteLine(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        _lines.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }
}
