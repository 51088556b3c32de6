using Vireo.Devices.Block;

namespace Vireo.Tests.Backends.Block;

/// <summary>The law of <see cref="IBlockBackend"/>, which every backend and every engine obeys.</summary>
public abstract class BlockBackendTests
{
    private const int Sector = BlockDevice.SectorBytes;

    /// <summary>Makes an empty disk of 8 MiB and a way to it.</summary>
    private protected abstract ChannelBench Open(long sectors = 16384);

    [Fact]
    public void Read_NeverWritten_IsZeroes()
    {
        using ChannelBench bench = Open();

        Assert.Equal(new byte[8192], bench.Read(4096, 8192));
    }

    [Theory]
    [InlineData(0, 512)]
    [InlineData(512, 512)]
    [InlineData(4096, 4096)]
    [InlineData(512, 130 * 1024)]
    [InlineData(1024 * 1024 - 512, 1024)]
    [InlineData(8 * 1024 * 1024 - 512, 512)]
    public void Write_ThenRead_GivesTheSameBytesAndLeavesTheNeighbours(long offset, int length)
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(length, seed: length);

        Assert.Equal(BlockResult.Done, bench.Write(offset, data));

        Assert.Equal(data, bench.Read(offset, length));
        if (offset > 0)
        {
            Assert.Equal(new byte[Sector], bench.Read(offset - Sector, Sector));
        }

        if (offset + length < bench.Backend.CapacitySectors * Sector)
        {
            Assert.Equal(new byte[Sector], bench.Read(offset + length, Sector));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(1500)]
    public void ReadAndWrite_SegmentsOfAnyLength_MoveTheSameBytes(int segmentBytes)
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(8 * Sector, seed: segmentBytes);

        Assert.Equal(BlockResult.Done, bench.Write(Sector, data, segmentBytes));

        Assert.Equal(data, bench.Read(Sector, data.Length));
        Assert.Equal(data, bench.Read(Sector, data.Length, segmentBytes));
    }

    [Fact]
    public void Write_MoreSegmentsThanTheKernelTakesAtOnce_MovesAll()
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(12 * Sector, seed: 12);

        Assert.Equal(BlockResult.Done, bench.Write(0, data, segmentBytes: 2));

        Assert.Equal(data, bench.Read(0, data.Length, segmentBytes: 3));
    }

    [Fact]
    public void Write_Stable_IsDone()
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(4096, seed: 3);

        Assert.Equal(BlockResult.Done, bench.Write(4096, data, isStable: true));
        Assert.Equal(BlockResult.Done, bench.Flush());

        Assert.Equal(data, bench.Read(4096, 4096));
    }

    [Fact]
    public void Requests_ManyAtOnce_AreEachAnsweredOnce()
    {
        const int Count = 200;
        using ChannelBench bench = Open();
        byte[][] data = [.. Enumerable.Range(0, Count).Select(static i => Pattern(4096, seed: i))];
        for (int index = 0; index < Count; index++)
        {
            bench.PostWrite((uint)index, index * 4096L, data[index]);
        }

        bench.WaitForAll();
        for (int index = 0; index < Count; index++)
        {
            bench.PostRead((uint)index, index * 4096L, 4096);
        }

        bench.WaitForAll();

        for (int index = 0; index < Count; index++)
        {
            Assert.Equal(BlockResult.Done, bench.ResultOf((uint)index));
            Assert.Equal(data[index], bench.BytesOf((uint)index));
        }
    }

    [Theory]
    [InlineData(0, 512, false)]
    [InlineData(0, 512, true)]
    [InlineData(512, 65536, false)]
    [InlineData(512, 65536, true)]
    [InlineData(4096, 1024 * 1024, false)]
    [InlineData(4096, 1024 * 1024, true)]
    public void WriteZeroes_WrittenRange_ReadsAsZeroesAndLeavesTheNeighbours(long offset, int length, bool mayUnmap)
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(2 * 1024 * 1024, seed: 8);
        bench.Write(0, data);

        Assert.Equal(BlockResult.Done, bench.WriteZeroes(offset, length, mayUnmap));

        data.AsSpan((int)offset, length).Clear();
        Assert.Equal(data, bench.Read(0, data.Length));
    }

    [Fact]
    public void WriteZeroes_Longest_IsDone()
    {
        using ChannelBench bench = Open();
        long capacity = bench.Backend.CapacitySectors * Sector;
        bench.Write(0, Pattern(65536, seed: 1));
        long length = Math.Min(capacity, bench.Backend.Traits.WriteZeroes!.Value.LengthBytesMax);

        Assert.Equal(BlockResult.Done, bench.WriteZeroes(0, length, mayUnmap: true));

        Assert.Equal(new byte[65536], bench.Read(0, 65536));
    }

    [Fact]
    public void Discard_Range_IsDoneAndLeavesTheNeighbours()
    {
        using ChannelBench bench = Open();
        byte[] data = Pattern(65536, seed: 2);
        bench.Write(0, data);

        Assert.Equal(BlockResult.Done, bench.Discard(8192 + 512, 16384));

        Assert.Equal(data[..8704], bench.Read(0, 8704));
        Assert.Equal(data[25088..], bench.Read(25088, 65536 - 25088));
    }

    [Fact]
    public void ReadsAndWrites_OnceWarm_AllocateNothing()
    {
        using ChannelBench bench = Open();
        bench.Write(0, Pattern(65536, seed: 6));

        // A lock that is contended for the first time allocates, once: what is allocated per request is there every time.
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 4 && least > 0; attempt++)
        {
            least = Math.Min(least, bench.MeasureAllocations(rounds: 250, offsetBytes: 8192, lengthBytes: 4096));
        }

        Assert.Equal(0, least);
    }

    private protected static byte[] Pattern(int bytes, int seed)
    {
        byte[] pattern = new byte[bytes];
        new Random(seed).NextBytes(pattern);
        return pattern;
    }
}
