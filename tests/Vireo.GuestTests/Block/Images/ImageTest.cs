using System.Text.Json;
using System.Text.Json.Nodes;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>Base of the tests in which Vireo and QEMU's tools look at the same images.</summary>
public abstract class ImageTest : GuestTest
{
    /// <summary>How many generated images a test tries; VIREO_IMAGES asks for more.</summary>
    protected static int ImagesOr(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("VIREO_IMAGES"), out int asked) ? asked : usual;

    /// <summary>How many of the first ones are left out, so that many can be tried in several runs; VIREO_IMAGES_AFTER says it.</summary>
    protected static int ImagesLeftOut =>
        int.TryParse(Environment.GetEnvironmentVariable("VIREO_IMAGES_AFTER"), out int first) ? first : 0;

    protected string QemuImg(params string[] arguments) =>
        RunProgram(GuestArtifacts.Program("qemu11", "qemu-img"), arguments);

    protected string QemuIo(string image, string format, IEnumerable<string> commands) =>
        RunProgram(
            GuestArtifacts.Program("qemu11", "qemu-io"),
            ["-f", format, .. commands.SelectMany(command => (string[])["-c", command]), image]
        );

    /// <summary>Runs vireo, which must end well, and gives its output.</summary>
    protected string Vireo(params string[] arguments)
    {
        (int status, ChildProcess process) = RunVireo(arguments);
        string errors = string.Join('\n', process.Errors.Lines());
        Assert.True(status == 0, $"vireo {string.Join(' ', arguments)} ended with status {status}: {errors}");
        return string.Join('\n', process.Output.Lines());
    }

    /// <summary>Each field that qemu-img prints has the same value in what Vireo prints, but for those named.</summary>
    protected static void AssertAgrees(string vireo, string qemu, params string[] except)
    {
        using var ours = JsonDocument.Parse(vireo);
        using var theirs = JsonDocument.Parse(qemu);
        AssertAgrees(ours.RootElement, theirs.RootElement, "", except);
    }

    /// <summary>
    /// qemu-img asks the file system, too, where the file of an image has holes, and says of data in holes that they are zeroes. What the image itself
    /// says is left.
    /// </summary>
    protected static string WithoutHolesOfTheFile(string map)
    {
        JsonArray ranges = [];
        foreach (JsonNode? node in JsonNode.Parse(map)!.AsArray())
        {
            JsonObject range = node!.DeepClone().AsObject();
            if ((bool)range["data"]!)
            {
                range["zero"] = false;
            }

            if (ranges.LastOrDefault() is JsonObject last && Continues(last, range))
            {
                last["length"] = (long)last["length"]! + (long)range["length"]!;
            }
            else
            {
                ranges.Add(range);
            }
        }

        return ranges.ToJsonString();
    }

    private static bool Continues(JsonObject first, JsonObject second)
    {
        foreach (string name in (string[])["depth", "present", "zero", "data", "compressed"])
        {
            if (!JsonNode.DeepEquals(first[name], second[name]))
            {
                return false;
            }
        }

        return (first["offset"], second["offset"]) switch
        {
            (null, null) => true,
            ({ } one, { } other) => (long)one + (long)first["length"]! == (long)other,
            _ => false,
        };
    }

    private static void AssertAgrees(JsonElement ours, JsonElement theirs, string place, string[] except)
    {
        Assert.True(ours.ValueKind == theirs.ValueKind, $"{place}: {ours} and not {theirs}");
        switch (theirs.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in theirs.EnumerateObject())
                {
                    if (!except.Contains(property.Name))
                    {
                        Assert.True(
                            ours.TryGetProperty(property.Name, out JsonElement value),
                            $"{place}/{property.Name} is missing"
                        );
                        AssertAgrees(value, property.Value, $"{place}/{property.Name}", except);
                    }
                }

                break;
            case JsonValueKind.Array:
                Assert.True(
                    ours.GetArrayLength() == theirs.GetArrayLength(),
                    $"{place}: {ours.GetRawText()} and not {theirs.GetRawText()}"
                );
                for (int index = 0; index < theirs.GetArrayLength(); index++)
                {
                    AssertAgrees(ours[index], theirs[index], $"{place}[{index}]", except);
                }

                break;
            default:
                Assert.True(
                    string.Equals(ours.ToString(), theirs.ToString(), StringComparison.Ordinal),
                    $"{place}: {ours} and not {theirs}"
                );
                break;
        }
    }
}
