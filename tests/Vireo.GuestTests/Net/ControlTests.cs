using System.Buffers.Binary;
using System.Net.Sockets;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Net;

/// <summary>A guest that has the control queue (over vfio-user PCI) on a cable whose other end is the test.</summary>
public sealed class ControlTests : GuestTest
{
    private const int Flows = 64;

    [Fact]
    public void GuestConfiguresItsCard()
    {
        string socket = InScratch("net.sock");
        string cable = InScratch("cable.sock");
        StartVireo(
            "net",
            "--stream-listen",
            cable,
            "--mac",
            "52:54:00:00:00:01",
            "--queue-pairs",
            "2",
            "--rss",
            "--speed",
            "25000",
            "--vfio-user",
            socket
        );
        Guest guest = BootGuest(new QemuCommand(GuestConfiguration.VfioUser with { Queues = 2 }).WithVfioUser(socket));
        guest.Run("ip link set eth0 up; ethtool -L eth0 combined 2");
        Assert.Equal("0", CarrierOf(guest));

        using (Socket end = Plug(cable))
        {
            WaitForCarrier(guest, "1");
            guest.RunTap(
                """
                is "its speed" "$(cat /sys/class/net/eth0/speed)" 25000
                is "its address" "$(cat /sys/class/net/eth0/address)" 52:54:00:00:00:01
                check "statistics" ethtool -S eth0
                check "features" ethtool -k eth0
                check "the table of RSS" ethtool -x eth0
                check "all to the second pair" ethtool -X eth0 weight 0 1
                done_testing
                """
            );
            SendFlows(end, lastByteOfMac: 1);
            WaitForPackets(guest, queue: 1, Flows);
            Assert.Equal(0, PacketsOf(guest, 0));

            guest.RunTap("""check "one half each" ethtool -X eth0 equal 2; done_testing""");
            SendFlows(end, lastByteOfMac: 1);
            int first = 0;
            WaitFor(
                () =>
                {
                    first = PacketsOf(guest, 0);
                    return first + PacketsOf(guest, 1) >= 2 * Flows;
                },
                "all flows arrive"
            );
            Assert.InRange(first, 1, Flows - 1);

            guest.RunTap("""check "another address" ip link set eth0 address 52:54:00:00:00:77; done_testing""");
            SendFlows(end, lastByteOfMac: 1);
            SendFlows(end, lastByteOfMac: 0x77);
            WaitFor(() => PacketsOf(guest, 0) + PacketsOf(guest, 1) >= 3 * Flows, "the new address receives");
            Assert.Equal(3 * Flows, PacketsOf(guest, 0) + PacketsOf(guest, 1));
        }

        WaitForCarrier(guest, "0");
        using Socket again = Plug(cable);
        WaitForCarrier(guest, "1");
        guest.PowerOff();
    }

    private static Socket Plug(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string CarrierOf(Guest guest) => guest.Run("cat /sys/class/net/eth0/carrier").Trim();

    private static int PacketsOf(Guest guest, int queue) =>
        int.Parse(
            guest.Run($"ethtool -S eth0 | sed -n 's/^ *rx{queue}_hw_packets: //p'").Trim(),
            System.Globalization.CultureInfo.InvariantCulture
        );

    private static void WaitForPackets(Guest guest, int queue, int count) =>
        WaitFor(() => PacketsOf(guest, queue) >= count, $"{count} packets on queue {queue}");

    private static void WaitForCarrier(Guest guest, string wanted) =>
        WaitFor(() => string.Equals(CarrierOf(guest), wanted, StringComparison.Ordinal), $"the carrier is {wanted}");

    private static void WaitFor(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, RigTimeouts.Program), $"it did not happen: {what}");

    /// <summary>One UDP packet of each of some flows.</summary>
    private static void SendFlows(Socket end, byte lastByteOfMac)
    {
        for (int flow = 0; flow < Flows; flow++)
        {
            byte[] frame = new byte[60];
            byte[] addresses = [0x52, 0x54, 0, 0, 0, lastByteOfMac, 2, 0, 0, 0, 0, 9, 0x08, 0x00];
            addresses.CopyTo(frame, 0);
            byte[] ip = [0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 3, 1, 10, 9, 3, 2];
            BinaryPrimitives.WriteUInt16BigEndian(ip.AsSpan(10), Checksum(ip));
            ip.CopyTo(frame, 14);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(34), (ushort)(10_000 + flow * 37));
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), 9);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(38), 26);
            byte[] prefix = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(prefix, frame.Length);
            end.Send([.. prefix, .. frame]);
        }
    }

    private static ushort Checksum(ReadOnlySpan<byte> header)
    {
        int sum = 0;
        for (int at = 0; at < header.Length; at += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(header[at..]);
        }

        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)(~(sum + (sum >> 16)) & 0xffff);
    }
}
