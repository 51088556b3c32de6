using System.Collections.Concurrent;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Tests.Backends.Block.Images;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Qcow2;

/// <summary>A host's disk on which some places cannot be read or written, under a qcow2 image and under what is behind it.</summary>
public sealed class Qcow2FaultTests : IDisposable
{
    private const int Cluster = 4096;
    private const int DiskBytes = 1 << 20;

    /// <summary>Its first half is the backing image's.</summary>
    private const int Half = DiskBytes / 2;

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _content = Pattern(DiskBytes, 1);
    private readonly SimulatedImageFile _behind;
    private readonly SimulatedImageFile _file;
    private readonly Qcow2Image _image;
    private readonly ConcurrentQueue<string> _said = new();

    public Qcow2FaultTests()
    {
        Qcow2Image.Create(
            _folder["new.qcow2"],
            new()
            {
                LengthBytes = DiskBytes,
                ClusterBytes = Cluster,
                BackingName = "behind",
                BackingFormat = "raw",
            }
        );
        _file = new(File.ReadAllBytes(_folder["new.qcow2"]));
        _behind = new(_content[..Half], isReadOnly: true);
        _image = Qcow2Image.Open(_file);
        _image.SetBacking(new RawImage(_behind, 0, Half));
        _image.Write(Half, _content.AsSpan(Half));
        _image.Flush();
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_SectorOfTheImageThatIsBroken_FailsAloneAndIsThereAgainLater()
    {
        using ChannelBench bench = Open();
        long place = _image.Map(Half + 5 * Cluster, Cluster).FileOffset;
        Break(_file, SimulatedCall.Read, place + 1024, 512, Errno.EIO);

        Assert.Equal(BlockResult.IoError, bench.TryRead(Half + 5 * Cluster, Cluster));
        Assert.Equal(BlockResult.IoError, bench.TryRead(Half, 16 * Cluster));
        AssertReads(bench, Half, 5 * Cluster);
        AssertReads(bench, Half + 6 * Cluster, 40 * Cluster);
        AssertReads(bench, 0, Half);
        Assert.NotEmpty(_said);

        _file.Fault = null;
        AssertReads(bench, 0, DiskBytes);
    }

    [Fact]
    public void Read_SectorOfTheBackingImageThatIsBroken_FailsAlone_AndIsNotTakenOver()
    {
        using ChannelBench bench = Open();
        Break(_behind, SimulatedCall.Read, 8 * Cluster + 512, 512, Errno.EIO);

        Assert.Equal(BlockResult.IoError, bench.TryRead(8 * Cluster, Cluster));
        AssertReads(bench, 0, 8 * Cluster);
        AssertReads(bench, 9 * Cluster, 8 * Cluster);

        // A write to a part of that cluster would have to take over the rest of it.
        Assert.Equal(BlockResult.IoError, bench.Write(8 * Cluster, Pattern(512, 2)));
        Assert.Equal(BlockResult.Done, bench.Write(20 * Cluster, Pattern(512, 3)));
        Pattern(512, 3).CopyTo(_content, 20 * Cluster);

        // A write to all of it need not.
        byte[] whole = Pattern(Cluster, 4);
        Assert.Equal(BlockResult.Done, bench.Write(8 * Cluster, whole));
        whole.CopyTo(_content, 8 * Cluster);
        AssertReads(bench, 0, DiskBytes);
        Assert.Equal(BlockResult.Done, bench.Flush());
        AssertWhole();
    }

    [Theory]
    [InlineData(Errno.EIO, BlockResult.IoError)]
    [InlineData(Errno.ENOSPC, BlockResult.NoSpace)]
    [InlineData(Errno.EDQUOT, BlockResult.NoSpace)]
    internal void Write_FileThatTakesNothing_SaysWhy_AndGoesOnLater(Errno error, BlockResult expected)
    {
        using ChannelBench bench = Open();
        _file.Fault = (call, _, _) => call == SimulatedCall.Write ? error : null;

        Assert.Equal(expected, bench.Write(0, Pattern(2 * Cluster, 5)));
        Assert.Equal(expected, bench.Write(Half + 512, Pattern(512, 6)));
        AssertReads(bench, 0, DiskBytes);

        _file.Fault = null;
        Assert.Equal(BlockResult.Done, bench.Write(0, Pattern(2 * Cluster, 5)));
        Pattern(2 * Cluster, 5).CopyTo(_content, 0);
        AssertReads(bench, 0, DiskBytes);
        Assert.Equal(BlockResult.Done, bench.Flush());
        AssertWhole();
    }

    [Fact]
    public void Flush_TablesThatFindNoRoom_FailsAndSucceedsLater()
    {
        using ChannelBench bench = Open();
        Assert.Equal(BlockResult.Done, bench.Write(0, Pattern(Half, 7)));
        Pattern(Half, 7).CopyTo(_content, 0);
        _file.Fault = static (call, _, _) => call == SimulatedCall.Write ? Errno.ENOSPC : null;

        Assert.Equal(BlockResult.NoSpace, bench.Flush());
        AssertReads(bench, 0, DiskBytes);
        _file.Fault = null;

        Assert.Equal(BlockResult.Done, bench.Flush());
        AssertWhole();
    }

    [Fact]
    public void Flush_ThatFailsOnce_NeverSucceedsAgain()
    {
        using ChannelBench bench = Open();
        Assert.Equal(BlockResult.Done, bench.Write(0, Pattern(Cluster, 8)));
        _file.Fault = static (call, _, _) => call == SimulatedCall.Sync ? Errno.EIO : null;
        Assert.Equal(BlockResult.IoError, bench.Flush());
        _file.Fault = null;

        Assert.Equal(BlockResult.IoError, bench.Flush());
        Assert.Equal(BlockResult.IoError, bench.Write(0, Pattern(Cluster, 9), isStable: true));
    }

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static void Break(SimulatedImageFile file, SimulatedCall what, long offset, int length, Errno error) =>
        file.Fault = (call, from, count) =>
            call == what && from < offset + length && offset < from + count ? error : null;

    private void AssertReads(ChannelBench bench, int offset, int length) =>
        Assert.Equal(_content[offset..(offset + length)], bench.Read(offset, length));

    private void AssertWhole()
    {
        SimulatedImageFile now = new(_file.LosePower(new(0)));
        Qcow2CheckResult result = Qcow2Checker.Check(now, Qcow2Image.ReadHeader(now), [], Qcow2Repair.None);
        Assert.True(result.Corruptions == 0, string.Join("; ", result.Messages));
    }

    private ChannelBench Open()
    {
        var loops = EventLoopGroup.Start(1);
        ImageDisk disk = new(_image, file: null, loops, new())
        {
            ImageFailed = exception => _said.Enqueue(exception.Message),
        };
        return new(disk, loops[0], disk, loops);
    }
}
