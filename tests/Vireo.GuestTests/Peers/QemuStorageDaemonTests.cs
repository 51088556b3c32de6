using System.Globalization;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.GuestTests.Rig;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our front-end and our block driver against QEMU's storage daemon (libvhost-user).</summary>
public sealed class QemuStorageDaemonTests : StorageDaemonTest
{
    /// <summary>How much of a large disk is written, every byte of it; a multiple of 1 MiB. Without it a sparse one is compared.</summary>
    private const string LengthVariable = "VIREO_PEER_DISK_BYTES";

    private const long UsualSparseBytes = 512L << 20;
    private const long UsualBytes = 96L << 20;
    private const ulong Seed = 20_26;

    public static TheoryData<int, bool, bool> Rings =>
        new()
        {
            { 1, true, true },
            { 4, true, true },
            { 2, false, false },
        };

    [Theory]
    [MemberData(nameof(Rings))]
    public void DiskIsWrittenReadAndComparedWithQemuImg(int queues, bool isIndirect, bool hasEventIndex) =>
        WriteReadCompare(UsualBytes, stride: 1, queues, isIndirect, hasEventIndex);

    [Fact]
    public void LargeDiskIsWrittenReadAndComparedWithQemuImg()
    {
        const int SparseStride = 16;
        string? given = Environment.GetEnvironmentVariable(LengthVariable);
        long lengthBytes = given is null ? UsualSparseBytes : long.Parse(given, CultureInfo.InvariantCulture);
        int stride = given is null ? SparseStride : 1;
        WriteReadCompare(lengthBytes, stride, queues: 2, isIndirect: true, hasEventIndex: true);
    }

    [Fact]
    public void RangesAreDiscardedAndZeroed()
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(CreateImage("disk.raw", DiskBytes), socket, queues: 1);
        using BlockDriver disk = Open(socket);
        byte[] ones = new byte[64 << 10];
        Array.Fill(ones, (byte)1);
        disk.Write(0, ones);

        disk.WriteZeroes(4096, 8192, mayUnmap: true);
        disk.Discard(32 << 10, 16 << 10);
        byte[] read = new byte[32 << 10];
        disk.Read(0, read);

        Assert.Equal([1, 0, 0, 1], (byte[])[read[4095], read[4096], read[12287], read[12288]]);
    }

    [Fact]
    public void OneDriverAfterAnotherUsesTheDisk()
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(CreateImage("disk.raw", DiskBytes), socket, queues: 2);
        for (byte round = 1; round < 4; round++)
        {
            using BlockDriver disk = Open(socket, queues: 2);
            byte[] sector = new byte[512];
            disk.Read(0, sector);
            Assert.Equal(round - 1, sector[0]);
            sector[0] = round;
            disk.Write(0, sector);
        }
    }

    [Fact]
    public void RequestsBeyondTheEndAreRefusedAndTheDiskLives()
    {
        string socket = InScratch("disk.sock");
        StartStorageDaemon(CreateImage("disk.raw", DiskBytes), socket, queues: 1);
        using BlockDriver disk = Open(socket);
        byte[] sector = new byte[512];

        Assert.Throws<ArgumentOutOfRangeException>(() => disk.Read(DiskBytes, sector));
        disk.Read(DiskBytes - 512, sector);
    }

    [Fact]
    public void ADaemonThatIsKilledIsNoticed()
    {
        using var control = EventLoopGroup.Start(1);
        string socket = InScratch("disk.sock");
        string pidFile = InScratch("daemon.pid");
        ChildProcess daemon = StartProgram(
            GuestArtifacts.Program("qemu11", "qemu-storage-daemon"),
            StorageDaemon.Arguments(CreateImage("disk.raw", DiskBytes), socket, 1, pidFile)
        );
        Assert.True(StorageDaemon.WaitUntilReady(pidFile, RigTimeouts.Program));
        var proxy = VhostUserProxy.Connect(socket, DeviceType.Block, new() { Loop = control[0] });
        using var disk = BlockDriver.Open(proxy);
        disk.Read(0, new byte[512]);

        daemon.Signal(UnixSignal.Kill);

        Assert.Throws<DriverException>(() => disk.Queue(0).Wait(new BlockCompletion[1], RigTimeouts.Program));
        Assert.Throws<DeviceException>(() => disk.Session.ReadConfig(0, new byte[8]));
    }

    [Fact]
    public void ADriverMovesFromTheStorageDaemonToVireoAndBack()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string theirs = InScratch("theirs.sock");
        string ours = InScratch("ours.sock");
        // Two queues, because theirs offers MQ whatever their number: a driver cannot go on without what it negotiated.
        StartStorageDaemon(image, theirs, queues: 2);
        StartVireo("block", image, "--no-lock", "--queues", "2", "--vhost-user", ours);
        using BlockDriver disk = Open(theirs);
        byte[] sector = new byte[512];
        for (int round = 0; round < 6; round++)
        {
            Array.Fill(sector, (byte)round);
            disk.Write(round * 512, sector);
            disk.Flush();
            string next = round % 2 == 0 ? ours : theirs;
            disk.Session.MoveTo(VhostUserProxy.Connect(next, DeviceType.Block));
            disk.Read(round * 512, sector);
            Assert.Equal((byte)round, sector[511]);
        }
    }

    /// <summary>Writes blocks through the driver, reads them back, and compares the file with one that was made without it.</summary>
    private void WriteReadCompare(long lengthBytes, int stride, int queues, bool isIndirect, bool hasEventIndex)
    {
        string image = CreateImage("disk.raw", lengthBytes);
        string socket = InScratch("disk.sock");
        StartStorageDaemon(image, socket, queues);
        using (BlockDriver disk = Open(socket, queues, isIndirect, hasEventIndex))
        {
            Assert.Equal((ulong)lengthBytes, disk.CapacitySectors * 512);
            Assert.Equal(queues, disk.QueueCount);
            Assert.Equal(isIndirect, disk.Has(CoreFeature.IndirectDescriptors));
            DiskLoad.Fill(disk, lengthBytes, stride, Seed);
            disk.Flush();
            DiskLoad.Verify(disk, lengthBytes, stride, Seed);
        }

        string reference = CreateImage("reference.raw", lengthBytes);
        using (FileStream file = File.OpenWrite(reference))
        {
            byte[] block = new byte[DiskLoad.BlockBytes];
            for (long offset = 0; offset < lengthBytes; offset += (long)stride * DiskLoad.BlockBytes)
            {
                DiskLoad.MakeBlock(block, offset, Seed);
                file.Position = offset;
                file.Write(block);
            }
        }

        string qemuImg = GuestArtifacts.Program("qemu11", "qemu-img");
        string output = RunProgram(qemuImg, "compare", "-U", "-f", "raw", "-F", "raw", image, reference);
        Assert.Contains("identical", output, StringComparison.OrdinalIgnoreCase);
    }

    private static BlockDriver Open(string socket, int queues = 1, bool isIndirect = true, bool hasEventIndex = true) =>
        BlockDriver.Open(
            VhostUserProxy.Connect(socket, DeviceType.Block, new() { QueueCount = queues, QueueSizeMax = 256 }),
            new()
            {
                QueueCount = queues,
                RingFeatures = FeatureSet
                    .Empty.WithIf(CoreFeature.IndirectDescriptors, isIndirect)
                    .WithIf(CoreFeature.EventIndex, hasEventIndex),
            }
        );
}
