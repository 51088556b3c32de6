using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Vireo.Homes.Peers;

namespace Vireo.Homes.VfioUser.Protocol;

/// <summary>What a side can do, as it says in its version message.</summary>
/// <param name="DescriptorsMax">How many descriptors it takes with one message.</param>
/// <param name="TransferBytesMax">How many bytes it takes in one access.</param>
/// <param name="HasMultipleWrites">Whether it knows several writes in one message.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Capabilities(int DescriptorsMax, int TransferBytesMax, bool HasMultipleWrites)
{
    /// <summary>How many ranges of memory a client may make known.</summary>
    public const int DmaMapsMax = 16384;

    /// <summary>The one page size in which memory is made known.</summary>
    private const int PageBytes = 4096;

    /// <summary>What counts where a client says nothing.</summary>
    private static readonly Capabilities Unsaid = new(1, MessageSocket.TransferBytesMax, HasMultipleWrites: false);

    /// <summary>Reads what a client says.</summary>
    /// <param name="json">JSON with a terminating zero; may be empty.</param>
    /// <exception cref="ProtocolException">It is not JSON of this form.</exception>
    public static Capabilities Parse(ReadOnlySpan<byte> json)
    {
        int end = json.IndexOf((byte)0);
        json = end < 0 ? json : json[..end];
        if (json.IsEmpty)
        {
            return Unsaid;
        }

        try
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 8 });
            using var document = JsonDocument.ParseValue(ref reader);
            if (
                document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("capabilities", out JsonElement capabilities)
                || capabilities.ValueKind != JsonValueKind.Object
            )
            {
                return Unsaid;
            }

            return new(
                Number(capabilities, "max_msg_fds"u8, Unsaid.DescriptorsMax, Message.DescriptorsMax),
                Number(capabilities, "max_data_xfer_size"u8, Unsaid.TransferBytesMax, MessageSocket.TransferBytesMax),
                capabilities.TryGetProperty("write_multiple"u8, out JsonElement value)
                    && value.ValueKind == JsonValueKind.True
            );
        }
        catch (JsonException exception)
        {
            throw new ProtocolException($"the capabilities are not JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Writes what the server can do.</summary>
    /// <param name="reply">The answer; capabilities are appended, with a terminating zero.</param>
    /// <param name="client">What the client has said.</param>
    public static void AppendOurs(Reply reply, Capabilities client)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("capabilities"u8);
            writer.WriteNumber("max_msg_fds"u8, Message.DescriptorsMax);
            writer.WriteNumber("max_data_xfer_size"u8, MessageSocket.TransferBytesMax);
            writer.WriteNumber("max_dma_maps"u8, DmaMapsMax);
            writer.WriteNumber("pgsizes"u8, PageBytes);
            if (client.HasMultipleWrites)
            {
                // The server's capabilities are a subset of the client's.
                writer.WriteBoolean("write_multiple"u8, value: true);
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        buffer.WrittenSpan.CopyTo(reply.Append(buffer.WrittenCount + 1));
    }

    private static int Number(JsonElement capabilities, ReadOnlySpan<byte> name, int unsaid, int max) =>
        capabilities.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.Number
        && value.TryGetUInt32(out uint number)
            ? (int)Math.Min(number, (uint)max)
            : unsaid;
}
