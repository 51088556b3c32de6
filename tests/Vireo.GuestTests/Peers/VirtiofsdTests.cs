using System.Buffers.Binary;
using System.Text;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our front-end against virtiofsd (rust-vmm's vhost crates): negotiation, and requests of FUSE through its queue.</summary>
public sealed class VirtiofsdTests : PeerTest
{
    /// <summary>Queue 0 carries forgets and interrupts, queue 1 requests (VIRTIO 1.4 §5.11.2).</summary>
    private const int QueueCount = 2;
    private const int RequestQueue = 1;

    // linux/fuse.h: header lengths and operations.
    private const int InHeaderBytes = 40;
    private const int OutHeaderBytes = 16;
    private const uint OpLookup = 1;
    private const uint OpGetAttributes = 3;
    private const uint OpInit = 26;
    private const ulong RootNode = 1;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private ulong _lastUnique;

    [Fact]
    public void AFileSystemIsOpenedAndAFileFound()
    {
        string folder = InScratch("shared");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "hello.txt"), "hello, driver");
        string socket = InScratch("fs.sock");
        StartPeer(
            socket,
            GuestArtifacts.Program("qemu11", "virtiofsd"),
            "--socket-path",
            socket,
            "--shared-dir",
            folder,
            "--sandbox",
            "none",
            "--cache",
            "never"
        );
        VhostUserProxy proxy = ConnectProxy(socket, DeviceType.Fs, new() { QueueCount = QueueCount });
        using var session = DriverSession.Open(proxy, FeatureSet.Empty);
        session.StartQueues(QueueCount, descriptorsPerRequest: 4);

        // FUSE_INIT: major 7, minor 38, read-ahead, flags.
        byte[] init = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(init, 7);
        BinaryPrimitives.WriteUInt32LittleEndian(init.AsSpan(4), 38);
        byte[] answer = Exchange(session, OpInit, 0, init, answerBytes: 64);
        Assert.Equal(7u, BinaryPrimitives.ReadUInt32LittleEndian(answer));

        byte[] entry = Exchange(session, OpLookup, RootNode, "hello.txt\0"u8.ToArray(), answerBytes: 128);
        ulong node = BinaryPrimitives.ReadUInt64LittleEndian(entry);
        Assert.NotEqual(0ul, node);

        byte[] attributes = Exchange(session, OpGetAttributes, node, new byte[16], answerBytes: 104);
        const int SizeOffset = 16 + 8;
        Assert.Equal(
            (ulong)Encoding.UTF8.GetByteCount("hello, driver"),
            BinaryPrimitives.ReadUInt64LittleEndian(attributes.AsSpan(SizeOffset))
        );
    }

    /// <summary>Sends one request of FUSE, and gives its answer without the header.</summary>
    private byte[] Exchange(DriverSession session, uint operation, ulong node, byte[] body, int answerBytes)
    {
        DriverBuffer request = session.Memory.Allocate(InHeaderBytes + body.Length);
        DriverBuffer answer = session.Memory.Allocate(OutHeaderBytes + answerBytes);
        request.Bytes.Clear();
        answer.Bytes.Clear();
        _lastUnique += 2;
        BinaryPrimitives.WriteUInt32LittleEndian(request.Bytes, (uint)request.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(request.Bytes[4..], operation);
        BinaryPrimitives.WriteUInt64LittleEndian(request.Bytes[8..], _lastUnique);
        BinaryPrimitives.WriteUInt64LittleEndian(request.Bytes[16..], node);
        body.CopyTo(request.Bytes[InHeaderBytes..]);

        QueueClient queue = session.Queues[RequestQueue];
        // Header and body apart, as the kernel's driver sends them.
        Assert.True(
            queue.TryAdd(
                [request.Slice(0, InHeaderBytes).Range, request.Slice(InHeaderBytes, body.Length).Range],
                [answer.Slice(0, OutHeaderBytes).Range, answer.Slice(OutHeaderBytes, answerBytes).Range],
                tag: 1
            )
        );
        queue.Submit();
        Assert.True(queue.TryTake(Patience, out DriverCompletion completion), $"operation {operation} has no answer");

        Assert.True(completion.WrittenBytes >= OutHeaderBytes);
        Assert.Equal(0, BinaryPrimitives.ReadInt32LittleEndian(answer.Bytes[4..]));
        Assert.Equal(_lastUnique, BinaryPrimitives.ReadUInt64LittleEndian(answer.Bytes[8..]));
        return answer.Bytes[OutHeaderBytes..].ToArray();
    }
}
