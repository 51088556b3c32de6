using System.Text.Json;
using Vireo.Linux.Files;

namespace Vireo.Cli.Record;

/// <summary>Reads a recording.</summary>
internal static class RecordingReader
{
    /// <summary>The first line has this word, and no other.</summary>
    public const string VersionKey = "vireo_recording";

    /// <summary>No machine has more memory than this to share.</summary>
    private const long DescriptorBytesMax = 1L << 46;

    /// <summary>Reads all messages of a recording; a last line that was cut off by a crash is left out.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CommandException">It is no recording.</exception>
    public static List<RecordedMessage> Read(string path)
    {
        string[] lines = File.ReadAllLines(path);
        if (lines.Length == 0 || !IsHeader(lines[0]))
        {
            throw new CommandException($"'{path}' is no recording; make one with 'vireo record'");
        }

        List<RecordedMessage> messages = [];
        for (int number = 1; number < lines.Length; number++)
        {
            try
            {
                using var json = JsonDocument.Parse(lines[number]);
                messages.Add(Parse(json.RootElement));
            }
            catch (Exception exception)
                when (exception is JsonException or InvalidOperationException or KeyNotFoundException or FormatException
                )
            {
                if (number == lines.Length - 1)
                {
                    break;
                }

                throw new CommandException($"'{path}', line {number + 1}, is no message of a recording");
            }
        }

        return messages;
    }

    /// <summary>What a recording calls the sender.</summary>
    public static string NameOf(MessageDirection direction) =>
        direction switch
        {
            MessageDirection.FrontEnd => "front-end",
            MessageDirection.BackEnd => "back-end",
            MessageDirection.BackEndRequest => "back-end request",
            _ => "front-end reply",
        };

    private static bool IsHeader(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.TryGetProperty(VersionKey, out JsonElement version)
                && version.GetInt32() == RecordingWriter.Version;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return false;
        }
    }

    private static RecordedMessage Parse(JsonElement json)
    {
        List<RecordedDescriptor> descriptors = [];
        if (json.TryGetProperty("descriptors", out JsonElement list))
        {
            foreach (JsonElement descriptor in list.EnumerateArray())
            {
                string kind = descriptor.GetProperty("kind").GetString() ?? "";
                bool isKnown = Enum.TryParse(kind, out DescriptorKind value) && Enum.IsDefined(value);
                long bytes = descriptor.GetProperty("bytes").GetInt64();
                descriptors.Add(
                    isKnown
                    && bytes is >= 0 and <= DescriptorBytesMax
                    && descriptors.Count < MessageReader.DescriptorsMax
                        ? new(value, bytes)
                        : throw new FormatException($"'{kind}' of {bytes} bytes is no descriptor of a message")
                );
            }
        }

        byte[] payload = Convert.FromHexString(json.GetProperty("payload").GetString() ?? "");
        if (payload.Length > MessageReader.PayloadBytesMax)
        {
            throw new FormatException($"{payload.Length} bytes are more than any message has");
        }

        return new RecordedMessage
        {
            Session = json.GetProperty("session").GetInt32(),
            Time = TimeSpan.FromMicroseconds(json.GetProperty("us").GetInt64()),
            Direction = DirectionOf(json.GetProperty("from").GetString()),
            Request = json.GetProperty("request").GetUInt32(),
            Flags = json.GetProperty("flags").GetUInt32(),
            Payload = payload,
            Descriptors = descriptors,
        };
    }

    private static MessageDirection DirectionOf(string? name)
    {
        foreach (MessageDirection direction in Enum.GetValues<MessageDirection>())
        {
            if (string.Equals(NameOf(direction), name, StringComparison.Ordinal))
            {
                return direction;
            }
        }

        throw new FormatException($"'{name}' is no sender");
    }
}
