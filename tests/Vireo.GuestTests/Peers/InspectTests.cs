using System.Text.Json;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary><c>vireo inspect</c> reads what back-ends that others wrote say of themselves.</summary>
public sealed class InspectTests : PeerTest
{
    [Fact]
    public void TheStorageDaemonsDiskIsShown()
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(CreateImage("disk.raw", DiskBytes), socket, queues: 3);

        // Twice: looking leaves the back-end as it was.
        Inspect(socket, "block");
        JsonElement report = Inspect(socket, "block");

        Assert.Equal(3, report.GetProperty("queues").GetInt32());
        Assert.Equal($"{DiskBytes / 512}", report.GetProperty("config_fields").GetProperty("capacity").GetString());
        Assert.Equal("3", report.GetProperty("config_fields").GetProperty("num_queues").GetString());
        Assert.Superset(Set("FLUSH", "MQ", "INDIRECT_DESC", "EVENT_IDX", "VERSION_1"), Names(report, "features"));
        Assert.Superset(Set("MQ", "REPLY_ACK", "CONFIG"), Names(report, "protocol_features"));
        Assert.Contains("qemu-storage-daemon", report.GetProperty("command").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void VirtiofsdsFileSystemIsShown()
    {
        string socket = InScratch("fs.sock");
        StartPeer(
            socket,
            GuestArtifacts.Program("qemu11", "virtiofsd"),
            "--socket-path",
            socket,
            "--shared-dir",
            Scratch,
            "--sandbox",
            "none"
        );

        JsonElement report = Inspect(socket, "fs");

        Assert.Superset(Set("MQ", "REPLY_ACK", "DEVICE_STATE"), Names(report, "protocol_features"));
        // The tag is known to the one who starts virtiofsd, not to it.
        Assert.Contains(
            report.GetProperty("unusual").EnumerateArray(),
            remark => remark.GetString()!.StartsWith("no CONFIG", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void TheVsockDevicesAddressIsShown()
    {
        string socket = InScratch("vsock.sock");
        StartPeer(
            socket,
            GuestArtifacts.Program("vsock", "vhost-device-vsock"),
            "--guest-cid",
            "77",
            "--socket",
            socket,
            "--uds-path",
            InScratch("host.sock")
        );

        JsonElement report = Inspect(socket, "vsock");

        Assert.Equal(3, report.GetProperty("queues").GetInt32());
        Assert.Equal("77", report.GetProperty("config_fields").GetProperty("guest_cid").GetString());
    }

    private JsonElement Inspect(string socket, string type)
    {
        (int status, ChildProcess process) = RunVireo("inspect", socket, "--as", type, "--json");
        Assert.Equal(0, status);
        using var json = JsonDocument.Parse(string.Join('\n', process.Output.Lines()));
        return json.RootElement.Clone();
    }

    private static HashSet<string?> Names(JsonElement report, string list) =>
        Set([.. report.GetProperty(list).EnumerateArray().Select(feature => feature.GetProperty("name").GetString())]);

    private static HashSet<string?> Set(params string?[] names) => new(names, StringComparer.Ordinal);
}
