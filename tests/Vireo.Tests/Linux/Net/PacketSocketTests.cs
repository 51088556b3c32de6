using System.Runtime.InteropServices;
using Vireo.Linux;
using Vireo.Linux.Native;
using Vireo.Linux.Net;

namespace Vireo.Tests.Linux.Net;

public sealed class PacketSocketTests
{
    private const uint HasTag = LibC.TP_STATUS_VLAN_VALID;
    private const uint HasKind = LibC.TP_STATUS_VLAN_TPID_VALID;

    [Theory]
    [InlineData(HasTag, 0x81, 0x00)]
    [InlineData(HasTag | HasKind, 0x88, 0xa8)]
    public void Tag_TheKernelTookOneOff_IsPutBack(uint status, byte kindHigh, byte kindLow)
    {
        byte[] message = Message(checksumStart: 34);

        int count = PacketSocket.Tag(message, 40, Control(status));

        Assert.Equal(44, count);
        Assert.Equal(Message(34)[10..22], message[10..22]);
        Assert.Equal([kindHigh, kindLow, 0x20, 0x05], message[22..26]);
        Assert.Equal(Message(34)[22..40], message[26..44]);
        // The checksum begins as much further on.
        Assert.Equal([38, 0], message[6..8]);
    }

    [Fact]
    public void Tag_NoChecksum_NothingElseIsTouched()
    {
        byte[] message = Message(checksumStart: 34);
        message[0] = 0;

        PacketSocket.Tag(message, 40, Control(HasTag));

        Assert.Equal([34, 0], message[6..8]);
    }

    [Fact]
    public void Tag_ThereIsNone_OrNoRoom_LeavesTheFrame()
    {
        byte[] message = Message(checksumStart: 34);
        byte[] other = Control(HasTag);
        other[8]++;

        Assert.Equal(40, PacketSocket.Tag(message, 40, Control(0)));
        Assert.Equal(40, PacketSocket.Tag(message, 40, []));
        Assert.Equal(40, PacketSocket.Tag(message, 40, other));
        Assert.Equal(40, PacketSocket.Tag(message.AsSpan(0, 43), 40, Control(HasTag)));
        Assert.Equal(21, PacketSocket.Tag(message, 21, Control(HasTag)));
        Assert.Equal(Message(34), message);
    }

    [Fact]
    public void Open_NoSuchInterface_IsSaid()
    {
        LinuxException refusal = Assert.Throws<LinuxException>(static () => PacketSocket.Open("nowhere0"));

        Assert.Equal(Errno.ENODEV, refusal.Error);
        Assert.Throws<ArgumentException>(static () => PacketSocket.Open("a name that is too long"));
    }

    /// <summary>A header and 30 bytes of a frame, with room behind.</summary>
    private static byte[] Message(byte checksumStart)
    {
        byte[] message = new byte[64];
        for (int index = 10; index < 40; index++)
        {
            message[index] = (byte)index;
        }

        message[0] = 1;
        message[6] = checksumStart;
        return message;
    }

    private static byte[] Control(uint status)
    {
        cmsghdr header = new()
        {
            cmsg_len = 36,
            cmsg_level = LibC.SOL_PACKET,
            cmsg_type = LibC.PACKET_AUXDATA,
        };
        tpacket_auxdata auxiliary = new()
        {
            tp_status = status,
            tp_vlan_tci = 0x2005,
            tp_vlan_tpid = 0x88a8,
        };
        byte[] control = new byte[40];
        MemoryMarshal.Write(control, in header);
        MemoryMarshal.Write(control.AsSpan(16), in auxiliary);
        return control;
    }
}
