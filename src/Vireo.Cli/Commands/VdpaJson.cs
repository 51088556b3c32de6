using System.Text.Json.Serialization;

namespace Vireo.Cli.Commands;

/// <summary>Writes JSON about the vDPA bus without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(VdpaDeviceJson))]
internal sealed partial class VdpaJson : JsonSerializerContext;
