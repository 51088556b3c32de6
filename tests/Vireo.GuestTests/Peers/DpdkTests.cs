using System.Buffers.Binary;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our front-end against DPDK's vhost library: testpmd sends every packet back that comes.</summary>
public sealed class DpdkTests : PeerTest
{
    private const int ReceiveQueue = 0;
    private const int SendQueue = 1;
    private const int HeaderBytes = 12; // struct virtio_net_hdr_v1
    private const int FrameBytes = 200;
    private const int BufferBytes = 2048;
    private const int MergeReceiveBuffers = 15;
    private const int Buffers = 64;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static TheoryData<bool, bool> Rings =>
        new()
        {
            { false, true },
            { false, false },
            { true, true },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void PacketsFlowBothWays(bool isPacked, bool hasEventIndex)
    {
        const int Packets = 2000;
        string socket = InScratch("net.sock");
        StartTestpmd(socket);
        using DriverSession session = Open(socket, isPacked, hasEventIndex);
        Assert.Equal(isPacked, session.Features.Contains(CoreFeature.RingPacked));
        DriverBuffer[] received = PostReceiveBuffers(session);
        DriverBuffer[] sent = [.. Enumerable.Range(0, Buffers).Select(_ => session.Memory.Allocate(BufferBytes))];
        QueueClient sending = session.Queues[SendQueue];
        QueueClient receiving = session.Queues[ReceiveQueue];
        Stack<int> free = new(Enumerable.Range(0, Buffers));
        HashSet<ulong> seen = [];
        ulong next = 0;
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (seen.Count < Packets)
        {
            // One in flight for each receive buffer at most: a switch drops what nobody has room for.
            while (next < Packets && next - (ulong)seen.Count < Buffers / 2 && free.TryPop(out int slot))
            {
                MakeFrame(sent[slot].Bytes, next);
                Assert.True(sending.TryAdd([sent[slot].Slice(0, HeaderBytes + FrameBytes).Range], [], (ulong)slot));
                next++;
            }

            sending.Submit();
            while (sending.TryTake(out DriverCompletion done))
            {
                free.Push((int)done.Tag);
            }

            if (receiving.TryTake(TimeSpan.FromMilliseconds(100), out DriverCompletion packet))
            {
                DriverBuffer buffer = received[packet.Tag];
                Assert.Equal((uint)(HeaderBytes + FrameBytes), packet.WrittenBytes);
                ulong number = ReadFrame(buffer.Bytes);
                Assert.True(seen.Add(number), $"packet {number} came twice");
                Assert.True(receiving.TryAdd([], [buffer.Range], packet.Tag));
                receiving.Submit();
            }

            Assert.True(
                Environment.TickCount64 < deadline,
                $"{seen.Count} of {Packets} packets came back, {next} were sent"
            );
        }
    }

    private static DriverSession Open(string socket, bool isPacked, bool hasEventIndex)
    {
        var session = DriverSession.Open(
            ConnectProxy(socket, DeviceType.Net, new() { QueueCount = 2 }),
            FeatureSet.Of(MergeReceiveBuffers),
            new()
            {
                Depth = 256,
                RingFeatures = FeatureSet
                    .Empty.WithIf(CoreFeature.RingPacked, isPacked)
                    .WithIf(CoreFeature.EventIndex, hasEventIndex),
            }
        );
        session.StartQueues(2, descriptorsPerRequest: 1);
        return session;
    }

    private static DriverBuffer[] PostReceiveBuffers(DriverSession session)
    {
        DriverBuffer[] buffers = [.. Enumerable.Range(0, Buffers).Select(_ => session.Memory.Allocate(BufferBytes))];
        for (int index = 0; index < buffers.Length; index++)
        {
            Assert.True(session.Queues[ReceiveQueue].TryAdd([], [buffers[index].Range], (ulong)index));
        }

        session.Queues[ReceiveQueue].Submit();
        return buffers;
    }

    private static void MakeFrame(Span<byte> bytes, ulong number)
    {
        bytes[..(HeaderBytes + FrameBytes)].Clear();
        Span<byte> frame = bytes[HeaderBytes..];
        frame[..6].Fill(0xff);
        "\x02vireo"u8.CopyTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x88b5); // for local experiments
        BinaryPrimitives.WriteUInt64LittleEndian(frame[14..], number);
        frame[22..FrameBytes].Fill((byte)(number & byte.MaxValue));
    }

    private static ulong ReadFrame(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> frame = bytes.Slice(HeaderBytes, FrameBytes);
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(frame[14..]);
        Assert.False(
            frame[22..].ContainsAnyExcept((byte)(number & byte.MaxValue)),
            $"packet {number} was changed on its way"
        );
        return number;
    }

    private void StartTestpmd(string socket)
    {
        string driver = Path.Combine(
            GuestArtifacts.Component("dpdk"),
            "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_vhost.so.23"
        );
        string pool = Path.Combine(
            GuestArtifacts.Component("dpdk"),
            "usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_mempool_ring.so.23"
        );
        StartPeer(
            socket,
            GuestArtifacts.Program("dpdk", "dpdk-testpmd"),
            "--no-huge",
            "-m",
            "256",
            "--no-pci",
            "--no-telemetry",
            $"--file-prefix={Path.GetFileName(Scratch)}",
            "-l",
            "0,1",
            "-d",
            driver,
            "-d",
            pool,
            "--vdev",
            $"net_vhost0,iface={socket},queues=1",
            "--",
            "--forward-mode=io",
            "--port-topology=loop",
            "--total-num-mbufs=4096",
            "--no-lsc-interrupt",
            // Else it throws away what comes while it starts.
            "--no-flush-rx",
            // Not interactive, and not ended by the end of its input.
            "--stats-period=1"
        );
    }
}
