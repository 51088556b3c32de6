using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Rbd;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Rbd;

public sealed class RbdDiskTests : BlockBackendTests, IDisposable
{
    private readonly FakeCeph _ceph = new();

    public void Dispose()
    {
        try
        {
            Assert.Equal(0, _ceph.Live);
        }
        finally
        {
            _ceph.Dispose();
        }
    }

    private protected override ChannelBench Open(long sectors = 16384)
    {
        _ceph.Resize(sectors * 512);
        return Open(_ceph.Address);
    }

    private ChannelBench Open(RbdAddress address, RbdOptions? options = null)
    {
        var loops = EventLoopGroup.Start(1);
        try
        {
            var disk = RbdDisk.Open(address, loops, (options ?? new()) with { LibraryFolder = _ceph.LibraryFolder });
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }

    [Fact]
    public void Requests_SectorThatFails_FailAloneWithAnIoError()
    {
        using ChannelBench bench = Open();
        _ceph.FailAt(8192);

        Assert.Equal(BlockResult.IoError, bench.TryRead(4096, 8192));
        Assert.Equal(BlockResult.IoError, bench.Write(8192, new byte[512]));
        Assert.Equal(BlockResult.IoError, bench.Discard(0, 65536));
        Assert.Equal(BlockResult.IoError, bench.WriteZeroes(0, 65536, mayUnmap: false));
        Assert.Equal(BlockResult.Done, bench.TryRead(0, 8192));
        Assert.Equal(BlockResult.Done, bench.Write(8704, new byte[512]));
    }

    [Fact]
    public void Write_ClusterIsFull_TellsOfThat()
    {
        using ChannelBench bench = Open();
        _ceph.FillAt(4096);

        Assert.Equal(BlockResult.NoSpace, bench.Write(4096, new byte[512]));
        Assert.Equal(BlockResult.Done, bench.Write(0, new byte[512]));
    }

    [Fact]
    public void Requests_NotTaken_AreAnsweredAndNothingIsLost()
    {
        using ChannelBench bench = Open();
        _ceph.Refuse();

        Assert.Equal(BlockResult.NoSpace, bench.TryRead(0, 512));
        Assert.Equal(BlockResult.NoSpace, bench.Flush());
        Assert.Equal(BlockResult.NoSpace, bench.Discard(0, 512));
    }

    [Fact]
    public void Read_ImageHasBecomeShorter_FailsAndRefreshTells()
    {
        using ChannelBench bench = Open();
        int told = 0;
        bench.Backend.CapacityChanged = () => told++;
        _ceph.Resize(1024 * 1024);

        Assert.Equal(BlockResult.IoError, bench.TryRead(1024 * 1024 - 512, 1024));
        Assert.True(((RbdDisk)bench.Backend).Refresh());
        Assert.False(((RbdDisk)bench.Backend).Refresh());

        Assert.Equal((2048, 1), (bench.Backend.CapacitySectors, told));
    }

    [Theory]
    [InlineData(false, false, 0, 1)]
    [InlineData(true, false, 1, 2)]
    [InlineData(false, true, 0, 0)]
    public void Write_EachCacheMode_FlushesWhatItHasTo(bool isWriteThrough, bool isUnsafe, int written, int flushed)
    {
        using ChannelBench bench = Open(_ceph.Address, new() { IsWriteThrough = isWriteThrough, IsUnsafe = isUnsafe });

        Assert.Equal(BlockResult.Done, bench.Write(0, new byte[512]));
        Assert.Equal(written, _ceph.Flushes);
        Assert.Equal(BlockResult.Done, bench.Flush());
        Assert.Equal(flushed, _ceph.Flushes);
    }

    [Fact]
    public void Write_Stable_IsFlushed()
    {
        using ChannelBench bench = Open();

        Assert.Equal(BlockResult.Done, bench.Write(0, new byte[512], isStable: true));

        Assert.Equal(1, _ceph.Flushes);
    }

    [Fact]
    public void Open_SnapshotInANamespace_IsShownReadOnly()
    {
        byte[] data = Pattern(4096, seed: 5);
        File.WriteAllBytes(Path.Combine(_ceph.LibraryFolder, "pool.space.disk@monday"), data);

        using ChannelBench bench = Open(RbdAddress.Parse($"rbd:pool/space/disk@monday:folder={_ceph.LibraryFolder}"));

        Assert.True(bench.Backend.Traits.IsReadOnly);
        Assert.Equal(8, bench.Backend.CapacitySectors);
        Assert.Equal(data, bench.Read(0, data.Length));
    }

    [Theory]
    [InlineData("rbd:pool/other:conf=CONF", Errno.ENOENT, "rbd_open 'pool/other'")]
    [InlineData("rbd:pool/disk@never:conf=CONF", Errno.ENOENT, "rbd_open 'pool/disk@never'")]
    [InlineData("rbd:none/disk:conf=CONF", Errno.ENOENT, "rados_ioctx_create 'none'")]
    [InlineData("rbd:pool/disk:conf=CONF:id=stranger", Errno.EACCES, "rados_connect")]
    [InlineData("rbd:pool/disk:conf=/nowhere/ceph.conf", Errno.ENOENT, "rados_conf_read_file '/nowhere/ceph.conf'")]
    [InlineData("rbd:pool/disk:conf=CONF:nonsense=1", Errno.ENOENT, "rados_conf_set 'nonsense=1'")]
    [InlineData("rbd:pool/disk", Errno.ETIMEDOUT, "rados_connect")]
    public void Open_WhatTheClusterRefuses_SaysWhatAndGivesAllBack(string text, Errno error, string said)
    {
        var address = RbdAddress.Parse(text.Replace("CONF", _ceph.Configuration, StringComparison.Ordinal));

        LinuxException exception = Assert.Throws<LinuxException>(() => Open(address).Dispose());

        Assert.Equal(error, exception.Error);
        Assert.Contains(said, exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, _ceph.Live);
    }

    [Fact]
    public void Open_NoLibrary_NamesThePackage()
    {
        using TemporaryFolder empty = new();
        using var loops = EventLoopGroup.Start(1);

        ImageException exception = Assert.Throws<ImageException>(() =>
            RbdDisk.Open(_ceph.Address, loops, new() { LibraryFolder = empty.Path })
        );

        Assert.Contains("install librbd1", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Channels_OnTwoLoops_EachGetTheirOwnEnds()
    {
        using var loops = EventLoopGroup.Start(2);
        using var disk = RbdDisk.Open(_ceph.Address, loops, new() { LibraryFolder = _ceph.LibraryFolder });
        using SecondQueue other = new(disk, loops[1]);
        using ChannelBench bench = new(disk, loops[0]);
        for (int round = 0; round < 50; round++)
        {
            byte[] data = Pattern(4096, seed: round);
            for (uint tag = 0; tag < 16; tag++)
            {
                bench.PostWrite(tag, tag * 4096L, data);
            }

            Assert.Equal(data.Length, other.Read(1024 * 1024, data.Length));
            bench.WaitForAll();
            Assert.Equal(data, bench.Read(15 * 4096, 4096));
        }
    }

    /// <summary>A channel for the second queue, whose reads count the bytes that came.</summary>
    private sealed class SecondQueue : IBlockCompletions, IDisposable
    {
        private readonly EventLoop _loop;
        private readonly IBlockChannel _channel;
        private readonly OwnedMemory _memory = new(65536);
        private readonly Segment[] _segments = GC.AllocateArray<Segment>(1, pinned: true);
        private readonly AutoResetEvent _hasEnded = new(initialState: false);
        private BlockResult _result;

        public SecondQueue(RbdDisk disk, EventLoop loop)
        {
            _loop = loop;
            _channel = disk.OpenChannel(1, 1, this);
        }

        public void Complete(uint tag, BlockResult result)
        {
            _result = result;
            _hasEnded.Set();
        }

        public int Read(long offset, int length)
        {
            _segments[0] = _memory.Slice(0, length);
            _loop.Invoke(() => _channel.Read(0, _segments, offset));
            Assert.True(_hasEnded.WaitOne(TimeSpan.FromSeconds(20)), "the second queue's read did not end");
            Assert.Equal(BlockResult.Done, _result);
            return length;
        }

        public void Dispose()
        {
            _channel.Dispose();
            _memory.Dispose();
            _hasEnded.Dispose();
        }
    }
}
