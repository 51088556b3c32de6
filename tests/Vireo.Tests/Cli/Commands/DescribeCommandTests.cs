using System.Text.Json;
using Vireo.Cli;
using Vireo.Cli.Commands;
using Vireo.Tests.Tidy;

namespace Vireo.Tests.Cli.Commands;

public sealed class DescribeCommandTests
{
    /// <summary>The type names that QEMU's vhost-user.json knows.</summary>
    private static readonly string[] SchemaTypes =
    [
        "9p",
        "balloon",
        "block",
        "caif",
        "console",
        "crypto",
        "gpu",
        "input",
        "net",
        "rng",
        "rpmsg",
        "rproc-serial",
        "scsi",
        "vsock",
        "fs",
    ];

    public static TheoryData<string> Devices => [.. DeviceCatalog.All.Select(device => device.Name)];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Describe_WithFolder_IsWhatTheSchemaWants(string device)
    {
        var run = CommandRun.Of("describe", device, "--bin", "/usr/bin");

        Assert.Equal(ExitCode.Success, run.ExitCode);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal($"/usr/bin/vireo-{device}", json.RootElement.GetProperty("binary").GetString());
        Assert.Contains(json.RootElement.GetProperty("type").GetString(), SchemaTypes, StringComparer.Ordinal);
        Assert.NotEmpty(json.RootElement.GetProperty("description").GetString()!);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void PackagersFile_EqualsWhatDescribePrints(string device)
    {
        string path = Path.Combine(Repository.Root, "share/qemu/vhost-user", $"50-vireo-{device}.json");

        Assert.Equal(CommandRun.Of("describe", device, "--bin", "/usr/bin").Output, File.ReadAllText(path));
    }

    [Fact]
    public void Describe_UnknownDevice_NamesTheKnownOnes()
    {
        var run = CommandRun.Of("describe", "toaster");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("'entropy'", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void FindByLink_LinkOfADevice_IsThatDevice(string device)
    {
        DeviceCommand command = DeviceCatalog.Find(device)!;

        Assert.Same(command, DeviceCatalog.FindByLink(DeviceCatalog.LinkFor(command)));
    }

    [Theory]
    [InlineData("vireo")]
    [InlineData("vireo-")]
    [InlineData("vireo-toaster")]
    [InlineData("entropy")]
    public void FindByLink_OtherName_IsNull(string name) => Assert.Null(DeviceCatalog.FindByLink(name));
}
