using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Drivers.Block;
using Vireo.Homes.VhostUser;
using Vireo.Tests.Cli;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Simulation;

/// <summary>
/// Kill -9 of the built program while our driver makes a qcow2 image grow: the image is whole but for clusters that count as used and are
/// not, and what was flushed is there. Twelve kills, or as many as VIREO_KILLS says.
/// </summary>
public sealed class Qcow2KillTests(ITestOutputHelper output) : IDisposable
{
    private const int UsualKills = 12;
    private const int KillsPerImage = 4;
    private const long DiskBytes = 256 << 20;
    private const int BlockBytes = 4096;
    private const int SectorBytes = 512;
    private const int BlockCount = 6000;
    private const int Depth = 16;
    private const ulong FlushTag = 1UL << 40;

    private readonly TemporaryFolder _folder = new();
    private readonly long[] _begun = new long[BlockCount];
    private readonly long[] _completed = new long[BlockCount];
    private readonly long[] _flushed = new long[BlockCount];
    private readonly bool[] _isBusy = new bool[BlockCount];

    private string Image => _folder["disk.qcow2"];

    private string SocketPath => _folder["disk.sock"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Kill_WhileAllocating_LosesNothingFlushed()
    {
        int seed = Number("VIREO_KILL_SEED", Random.Shared.Next());
        int kills = Number("VIREO_KILLS", UsualKills);
        Random random = new(seed);
        long leaks = 0;
        long requests = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            if (kill % KillsPerImage == 0)
            {
                MakeImage(random, hasLazyRefcounts: kill / KillsPerImage % 2 == 1);
            }

            requests += WriteAndKill(random);
            leaks += Verify(seed, kill);
        }

        output.WriteLine($"seed {seed}: {kills} kills, {requests} requests, {leaks} clusters left behind");
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;

    private static long PlaceOf(int block) => block * 10L * BlockBytes;

    private static void Fill(Span<byte> bytes, int block, long version)
    {
        Span<long> words = MemoryMarshal.Cast<byte, long>(bytes);
        for (int index = 0; index < words.Length; index += 2)
        {
            (words[index], words[index + 1]) = (block, version);
        }
    }

    private void MakeImage(Random random, bool hasLazyRefcounts)
    {
        Array.Clear(_begun);
        Array.Clear(_completed);
        Array.Clear(_flushed);
        File.Delete(Image);
        Qcow2Options options = new()
        {
            LengthBytes = DiskBytes,
            ClusterBytes = 512 << random.Next(8),
            HasLazyRefcounts = hasLazyRefcounts,
        };
        Qcow2Image.Create(Image, options);
    }

    private long WriteAndKill(Random random)
    {
        var vireo = VireoProcess.Start("block", Image, "--format", "qcow2", "--vhost-user", SocketPath);
        try
        {
            Assert.StartsWith("ready: ", vireo.ReadLine(), StringComparison.Ordinal);
            var proxy = VhostUserProxy.Connect(SocketPath, DeviceType.Block, new() { QueueCount = 1 });
            using var driver = BlockDriver.Open(proxy, new() { QueueCount = 1 });
            return Load(driver, random, vireo);
        }
        finally
        {
            vireo.Dispose();
        }
    }

    private long Load(BlockDriver driver, Random random, VireoProcess vireo)
    {
        BlockQueue queue = driver.Queue(0);
        var buffers = new DriverBuffer[Depth];
        int[] blocks = new int[Depth];
        Stack<int> free = new();
        for (int slot = 0; slot < Depth; slot++)
        {
            buffers[slot] = driver.Memory.Allocate(BlockBytes, BlockBytes);
            free.Push(slot);
        }

        long[]? snapshot = null;
        long done = 0;
        long last = random.Next(1, 1200);
        var completions = new BlockCompletion[Depth + 1];
        while (done < last)
        {
            while (free.TryPop(out int slot))
            {
                blocks[slot] = Begin(queue, buffers[slot], (ulong)slot, random);
            }

            if (snapshot is null && random.Next(10) == 0)
            {
                snapshot = [.. _completed];
                Assert.True(queue.TryFlush(FlushTag));
            }

            queue.Submit();
            int count = queue.Wait(completions, TimeSpan.FromSeconds(20));
            Assert.NotEqual(0, count);
            done += count;
            End(completions.AsSpan(0, count), blocks, free, ref snapshot);
        }

        vireo.Kill();

        // What was answered before the end was answered.
        int late = queue.Complete(completions);
        End(completions.AsSpan(0, late), blocks, free, ref snapshot);
        Array.Clear(_isBusy);
        return done;
    }

    private int Begin(BlockQueue queue, DriverBuffer buffer, ulong tag, Random random)
    {
        int block = random.Next(BlockCount);
        while (_isBusy[block])
        {
            block = random.Next(BlockCount);
        }

        _isBusy[block] = true;
        _begun[block]++;
        Fill(buffer.Bytes, block, _begun[block]);
        Assert.True(queue.TryWrite((ulong)(PlaceOf(block) / 512), buffer, tag));
        return block;
    }

    private void End(ReadOnlySpan<BlockCompletion> completions, int[] blocks, Stack<int> free, ref long[]? snapshot)
    {
        foreach (BlockCompletion completion in completions)
        {
            Assert.Equal(Vireo.Devices.Block.BlockStatus.Ok, completion.Status);
            if (completion.Tag == FlushTag)
            {
                snapshot!.CopyTo(_flushed, 0);
                snapshot = null;
                continue;
            }

            int slot = (int)completion.Tag;
            _isBusy[blocks[slot]] = false;
            _completed[blocks[slot]] = _begun[blocks[slot]];
            free.Push(slot);
        }
    }

    /// <summary>The kernel ends what a killed process had on its way, and lets its locks go, a moment after the process.</summary>
    private Qcow2CheckResult CheckWhenUnlocked()
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return Qcow2Image.Check(Image, Qcow2Repair.None);
            }
            catch (DeviceException) when (Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20))
            {
                Thread.Sleep(5);
            }
        }
    }

    /// <summary>
    /// Whatever is not flushed may be there or not, each sector for itself: with small clusters a block has several places. None may be older than what was
    /// flushed, and none may hold anything else.
    /// </summary>
    private long LeastVersion(ReadOnlySpan<byte> bytes, int block, string where)
    {
        long least = long.MaxValue;
        byte[] expected = new byte[SectorBytes];
        for (int start = 0; start < bytes.Length; start += SectorBytes)
        {
            ReadOnlySpan<byte> sector = bytes.Slice(start, SectorBytes);
            long version = MemoryMarshal.Cast<byte, long>(sector)[1];
            Fill(expected, version == 0 ? 0 : block, version);
            Assert.True(sector.SequenceEqual(expected), $"{where} has a torn sector at {start}");
            Assert.True(
                version >= _flushed[block] && version <= _begun[block],
                $"{where} has version {version} at {start}; flushed {_flushed[block]}, begun {_begun[block]}"
            );
            least = Math.Min(least, version);
        }

        return least;
    }

    private long Verify(int seed, int kill)
    {
        Qcow2CheckResult result = CheckWhenUnlocked();
        bool isLazy;
        using (DiskImage image = DiskImages.Open(Image, new() { IsReadOnly = true, Format = ImageFormat.Qcow2 }))
        {
            isLazy = image is Qcow2Image { HasLazyRefcounts: true };
            byte[] bytes = new byte[BlockBytes];
            for (int block = 0; block < BlockCount; block++)
            {
                image.Read(PlaceOf(block), bytes);
                long version = LeastVersion(bytes, block, $"seed {seed}, kill {kill}: block {block}");

                // What was answered and lost before a flush is not there to be flushed any more.
                _completed[block] = version;
                _flushed[block] = version;
            }
        }

        // Counts that may be late are repaired when the image is next opened; all others have to be right at any moment.
        if (isLazy)
        {
            DiskImages.Open(Image, new() { Format = ImageFormat.Qcow2 }).Dispose();
            result = Qcow2Image.Check(Image, Qcow2Repair.None);
            Assert.Equal(0, result.Leaks);
        }

        Assert.True(result.Corruptions == 0, $"seed {seed}, kill {kill}: {string.Join("; ", result.Messages)}");
        return result.Leaks;
    }
}
