using Microsoft.Win32.SafeHandles;
using Vireo.Backends.Block.Engines;
using Vireo.Backends.Block.Raw;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Engines;

/// <summary>Completions that the device is asked for. Where this host's disk cannot be asked, what is tested is that all goes on without.</summary>
public sealed class PolledEngineTests : IDisposable, IFileCompletions
{
    private const int PatienceMs = 20_000;

    private readonly TemporaryFolder _folder = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly OwnedMemory _memory = new(1 << 20);
    private readonly List<string> _warnings = [];
    private readonly ManualResetEventSlim _isDone = new(initialState: false);
    private int _result;

    public void Dispose()
    {
        _loops.Dispose();
        _memory.Dispose();
        _folder.Dispose();
        _isDone.Dispose();
    }

    void IFileCompletions.Complete(uint tag, int result)
    {
        _result = result;
        _isDone.Set();
    }

    [Fact]
    public void Submit_WhetherOrNotTheKernelPolls_MovesTheBytes()
    {
        string path = MakeImage();
        using SafeFileHandle direct = HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Direct);
        using SafeFileHandle cached = HostFile.Open(path, OpenFlags.ReadWrite);
        using PolledEngine engine = new(_loops[0], new(direct, cached), 8, this);
        engine.Start();
        new Random(1).NextBytes(_memory.Slice(0, 8192).Bytes);

        foreach (bool isStable in (ReadOnlySpan<bool>)[false, true])
        {
            Assert.Equal(4096, Do(engine, FileOperation.Write, FileChoice.Main, 4096, 0, isStable));
            Assert.Equal(4096, Do(engine, FileOperation.Write, FileChoice.Cached, 8192, 4096, isStable));
        }

        Assert.Equal(0, Do(engine, FileOperation.Sync, FileChoice.Main, 0, 0, isStable: false));
        Assert.Equal(4096, Do(engine, FileOperation.Read, FileChoice.Main, 4096, 16384, isStable: false));
        Assert.Equal(_memory.Slice(0, 4096).Bytes, _memory.Slice(16384, 4096).Bytes);
        Assert.Equal(_memory.Slice(0, 8192).Bytes, File.ReadAllBytes(path).AsSpan(4096, 8192));
    }

    [Fact]
    public void Open_Polled_SaysWhetherItIs_AndServes()
    {
        RawDiskOptions options = new()
        {
            Engine = EngineChoice.IoUring,
            Cache = CacheMode.None,
            PollsDevice = true,
            Warn = _warnings.Add,
        };
        using var disk = RawDisk.Open(MakeImage(), _loops, options);
        using ChannelBench bench = new(disk, _loops[0]);
        bool isPolled = disk.EngineDescription.Contains("completions polled", StringComparison.Ordinal);

        Assert.Equal(isPolled, _warnings.Count == 0);
        Assert.All(_warnings, static warning => Assert.Contains("cannot be polled", warning, StringComparison.Ordinal));
        Assert.Equal(BlockResult.Done, bench.Write(4096, [.. _memory.Slice(0, 65536).Bytes]));
        Assert.Equal(BlockResult.Done, bench.Flush());
        Assert.Equal([.. _memory.Slice(0, 65536).Bytes], bench.Read(4096, 65536));
    }

    [Fact]
    public void CanPoll_PageCache_SaysWhyNot()
    {
        using SafeFileHandle cached = HostFile.Open(MakeImage(), OpenFlags.ReadWrite);

        Assert.False(PolledEngine.CanPoll(cached, 1, out string reason));
        Assert.NotEmpty(reason);
    }

    private string MakeImage()
    {
        using FileStream file = File.Create(_folder["disk.raw"]);
        file.SetLength(1 << 20);
        return file.Name;
    }

    private int Do(PolledEngine engine, FileOperation operation, FileChoice choice, long offset, int at, bool isStable)
    {
        _isDone.Reset();
        Segment[] segments = GC.AllocateArray<Segment>(1, pinned: true);
        segments[0] = _memory.Slice(at, 4096);
        FileRequest request = new(operation, choice, offset, 0, segments, isStable);
        _loops[0].Invoke(() => engine.Submit(3, in request));
        Assert.True(_isDone.Wait(PatienceMs), "never answered");
        return _result;
    }
}
