using System.Net;
using System.Security.Cryptography;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.GuestTests.Net;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>The ways out of <c>vireo switch</c>, with our driver in the guests' place: a tap of the host, and a cable to another switch.</summary>
public sealed class SwitchUplinkTests : PeerTest
{
    private const string First = "first";
    private const string Second = "second";
    private const string Third = "third";
    private const string Fourth = "fourth";

    /// <summary>Between an Ethernet header and the type that stood there: IEEE 802.1Q's type, and network 5.</summary>
    private const string TagOf5 = "81000005";

    /// <summary>The number of a frame for everybody: whoever gets it without being asked complains.</summary>
    private const ulong Shout = 7777;

    [Fact]
    public void ATapBelongsToOneNetwork()
    {
        var network = HostNetwork.StartSwitch(
            RunProgram,
            StartProgram,
            InScratch("www"),
            [.. Guest(First, 5), .. Guest(Second, 6), .. Guest(Third, 6), .. Guest(Fourth, null), "--uplink-vlan", "5"]
        );
        using Card first = Open(First);
        using Card second = Open(Second);
        using Card third = Open(Third);
        using Card fourth = Open(Fourth);
        var address = MacAddress.Local(1);
        const string Address = "10.9.0.2";
        network.Run(
            GuestArtifacts.Program("nettools", "ip"),
            ["neighbour", "replace", Address, "lladdr", $"{address}", "dev", network.TapName, "nud", "permanent"]
        );

        HostTalk talk = new(first, address, IPAddress.Parse(Address), IPAddress.Parse(HostNetwork.Address4));
        MacAddress host = talk.FindHost();
        for (ushort sequence = 1; sequence <= 100; sequence++)
        {
            talk.Echo(host, RandomNumberGenerator.GetBytes(sequence * 14), sequence);
        }

        first.Send(NumberedFrame.Make(MacAddress.Broadcast, address, Shout));
        AssertShoutIsTagged(fourth);
        // In which nobody hears what does not belong to it.
        new Conversation(second, MacAddress.Local(2), third, MacAddress.Local(3)).Hold(100);
    }

    [Fact]
    public void ACableBetweenTwoSwitchesCarriesAllNetworks()
    {
        string cable = InScratch("cable");
        StartVireo(["switch", .. Guest(First, 5), .. Guest(Second, 6), "--stream-listen", cable]);
        StartVireo(["switch", .. Guest(Third, 5), .. Guest(Fourth, 6), "--stream", cable]);
        using Card first = Open(First);
        using Card second = Open(Second);
        using Card third = Open(Third);
        using Card fourth = Open(Fourth);

        new Conversation(first, MacAddress.Local(1), third, MacAddress.Local(3)).Hold(500);
        first.Send(NumberedFrame.Make(MacAddress.Broadcast, MacAddress.Local(1), Shout));
        bool isHeard = false;
        while (!isHeard && third.Receive(RigTimeouts.Program) is { } frame)
        {
            isHeard = NumberedFrame.TryRead(frame, out ulong number) && number == Shout;
        }

        Assert.True(isHeard, "its own network does not hear it");
        // In which nobody hears what does not belong to it.
        new Conversation(second, MacAddress.Local(2), fourth, MacAddress.Local(4)).Hold(500);
    }

    private string[] Guest(string name, int? vlan) => ["--guest", Socket(name) + (vlan is null ? "" : $",vlan={vlan}")];

    private string Socket(string name) => InScratch($"{name}.sock");

    private Card Open(string name) =>
        new(ConnectProxy(Socket(name), DeviceType.Net, new() { QueueCount = 2 }), FeatureSet.Empty);

    /// <summary>A port for all networks hears it with the tag of its network.</summary>
    private static void AssertShoutIsTagged(Card card)
    {
        const int TagOffset = 12;
        const int TagBytes = 4;
        bool isHeard = false;
        while (!isHeard && card.Receive(RigTimeouts.Program) is { } frame)
        {
            byte[] bare = [.. frame[..TagOffset], .. frame[(TagOffset + TagBytes)..]];
            isHeard = NumberedFrame.TryRead(bare, out ulong number) && number == Shout;
            if (isHeard)
            {
                Assert.Equal(TagOf5, Convert.ToHexStringLower(frame.AsSpan(TagOffset, TagBytes)));
            }
        }

        Assert.True(isHeard, "the port for all networks does not hear it");
    }
}
