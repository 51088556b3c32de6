using System.Buffers.Binary;
using Vireo.Backends.Net.Capture;
using Vireo.Backends.Net.Limits;
using Vireo.Devices.Net;
using Vireo.Tests.Devices.Net;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Backends.Net;

/// <summary>Recordings, block by block, and meters.</summary>
public sealed class PortFilterTests : IDisposable
{
    private const uint Section = 0x0a0d0d0a;
    private const uint Interface = 1;
    private const uint Packet = 6;

    private readonly string _folder = Directory.CreateTempSubdirectory("vireo-net-").FullName;

    private string FilePath => Path.Combine(_folder, "packets.pcapng");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Capture_BothDirections_AreInTheFile()
    {
        FakeNetPort fake = new();
        using (NetBench bench = Record(fake, new()))
        {
            bench.Post(0, 2000);
            bench.Send(Packets.Plain(61), default(NetHeader));
            fake.Bring(Packets.Plain(100));
            Assert.Single(bench.TakePackets());
        }

        List<Block> blocks = Read(FilePath);

        Assert.Equal([Section, Interface, Packet, Packet], blocks.Select(static block => block.Type));
        Assert.Equal(Packets.Plain(61), blocks[2].Frame);
        Assert.Equal(2u, blocks[2].Flags);
        Assert.Equal(Packets.Plain(100), blocks[3].Frame);
        Assert.Equal(1u, blocks[3].Flags);
        Assert.True(blocks[3].Time >= blocks[2].Time);
        DateTimeOffset time = DateTimeOffset.UnixEpoch.AddTicks((long)blocks[2].Time / 100);
        Assert.InRange(time, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    [Fact]
    public void Capture_ShortSnapLength_CutsFramesAndTellsTheirLength()
    {
        FakeNetPort fake = new();
        using (NetBench bench = Record(fake, new() { SnapBytes = 30 }))
        {
            bench.Send(Packets.Plain(500), default(NetHeader));
        }

        Block block = Read(FilePath)[2];

        Assert.Equal(Packets.Plain(500)[..30], block.Frame);
        Assert.Equal(500u, block.OriginalLength);
    }

    [Fact]
    public void Capture_Rotating_KeepsSoManyFiles()
    {
        FakeNetPort fake = new();
        using (NetBench bench = Record(fake, new() { FileBytesMax = 1000, FilesMax = 3 }))
        {
            for (int count = 0; count < 20; count++)
            {
                bench.Send(Packets.Plain(300), default(NetHeader));
            }
        }

        Assert.Equal(
            ["packets.pcapng", "packets.pcapng.1", "packets.pcapng.2"],
            Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal),
            StringComparer.Ordinal
        );
        Assert.All(
            Directory.GetFiles(_folder),
            static path =>
            {
                Assert.InRange(new FileInfo(path).Length, 1, 1000);
                Assert.Equal(Section, Read(path)[0].Type);
            }
        );
    }

    [Fact]
    public void Meter_LetsThroughWhatItsRateSays()
    {
        FakeClock clock = new();
        PacketMeter meter = new(new(0, 1000), clock);
        int passed = 0;
        for (int step = 0; step < 1000; step++)
        {
            while (meter.IsOpen)
            {
                meter.Charge(100);
                passed++;
            }

            clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        // A twentieth of a second was saved up at the beginning.
        Assert.InRange(passed, 1040, 1060);
    }

    [Fact]
    public void Meter_Overdrawn_WaitsUntilItIsPaidBack()
    {
        FakeClock clock = new();
        PacketMeter meter = new(new(8_000_000, 0), clock);
        Assert.True(meter.IsOpen);

        meter.Charge(150_000);

        Assert.False(meter.IsOpen);
        Assert.Equal(TimeSpan.FromMilliseconds(100), meter.Wait);
        clock.Advance(TimeSpan.FromMilliseconds(101));
        Assert.True(meter.IsOpen);
    }

    private NetBench Record(FakeNetPort fake, CaptureOptions options) =>
        new(choose: NetBench.Plain, port: fake, plug: new Owner(new(fake, new(FilePath, "test", options))));

    private static List<Block> Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        List<Block> blocks = [];
        int at = 0;
        while (at < bytes.Length)
        {
            ReadOnlySpan<byte> rest = bytes.AsSpan(at);
            int length = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            Assert.Equal(0, length % 4);
            Assert.Equal(length, BinaryPrimitives.ReadInt32LittleEndian(rest[(length - 4)..]));
            blocks.Add(Block.Read(rest[..length]));
            at += length;
        }

        return blocks;
    }

    private sealed record Block(uint Type, ulong Time, byte[] Frame, uint OriginalLength, uint Flags)
    {
        public static Block Read(ReadOnlySpan<byte> block)
        {
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(block);
            if (type != Packet)
            {
                return new(type, 0, [], 0, 0);
            }

            ulong time =
                (ulong)BinaryPrimitives.ReadUInt32LittleEndian(block[12..]) << 32
                | BinaryPrimitives.ReadUInt32LittleEndian(block[16..]);
            int kept = BinaryPrimitives.ReadInt32LittleEndian(block[20..]);
            uint original = BinaryPrimitives.ReadUInt32LittleEndian(block[24..]);
            ReadOnlySpan<byte> options = block[(28 + (kept + 3 & ~3))..];
            Assert.Equal(2, BinaryPrimitives.ReadUInt16LittleEndian(options));
            return new(
                type,
                time,
                block.Slice(28, kept).ToArray(),
                original,
                BinaryPrimitives.ReadUInt32LittleEndian(options[4..])
            );
        }
    }

    /// <summary>A recorded port that is closed with the device's last queue: a test has no other owner for it.</summary>
    private sealed class Owner(CapturePort port) : INetPort
    {
        public NetPortTraits Traits => port.Traits;

        public bool IsLinkUp => port.IsLinkUp;

        public Action? LinkChanged
        {
            get => port.LinkChanged;
            set
            {
                port.LinkChanged = value;
                if (value is null)
                {
                    port.Dispose();
                }
            }
        }

        public void SetReceiveOffloads(NetOffloads offloads) => port.SetReceiveOffloads(offloads);

        public void SetPairsUsed(int count) => port.SetPairsUsed(count);

        public INetSender OpenSender(int pairIndex, INetQueue queue) => port.OpenSender(pairIndex, queue);

        public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) => port.OpenReceiver(pairIndex, queue);

        public void Inject(ReadOnlySpan<byte> frame) => port.Inject(frame);
    }
}
