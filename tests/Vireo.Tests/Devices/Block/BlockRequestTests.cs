using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>Each request: what reaches the disk, what the driver is answered.</summary>
public abstract class BlockRequestTests : IDisposable
{
    private const byte Ok = 0;
    private const byte IoError = 1;
    private const byte Unsupported = 2;
    private const int Sector = 512;
    private const int Sectors = 2048;

    private readonly FakeBlockBackend _backend = new(Sectors);
    private readonly BlockBench _bench;

    private protected BlockRequestTests(FeatureSet rings)
    {
        new Random(1).NextBytes(_backend.Disk);
        _bench = new(_backend, new() { Serial = "vireo-disk-1" }, rings: rings);
    }

    public void Dispose()
    {
        _bench.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void In_WholeSectors_GivesTheDiskAndAllBytesUsed()
    {
        BlockAnswer answer = _bench.Ask(BlockRequestType.In, 7, 3 * Sector);

        Assert.Equal(Ok, answer.Status);
        Assert.Equal(_backend.Disk[(7 * Sector)..(10 * Sector)], answer.Data);
        Assert.Equal(3u * Sector + 1, answer.Used);
    }

    [Fact]
    public void Out_WholeSectors_ChangesTheDiskAndNothingElse()
    {
        byte[] before = [.. _backend.Disk];
        byte[] data = Pattern(2 * Sector, seed: 9);

        BlockAnswer answer = _bench.Send(BlockRequestType.Out, 5, data);

        Assert.Equal(Ok, answer.Status);
        Assert.Equal(1u, answer.Used);
        Assert.Equal(data, _backend.Disk[(5 * Sector)..(7 * Sector)]);
        Assert.Equal(before[..(5 * Sector)], _backend.Disk[..(5 * Sector)]);
        Assert.Equal(before[(7 * Sector)..], _backend.Disk[(7 * Sector)..]);
    }

    [Fact]
    public void In_EveryHeaderSplit_GivesTheSameAnswer()
    {
        byte[] header = BlockBench.Header(BlockRequestType.In, 3);
        for (int cut = 1; cut < BlockBench.HeaderBytes; cut++)
        {
            BlockAnswer answer = _bench.SendChain([header[..cut], header[cut..]], [Sector, 1]);

            Assert.Equal(Ok, answer.Status);
            Assert.Equal(_backend.Disk[(3 * Sector)..(4 * Sector)], answer.Data);
        }
    }

    [Fact]
    public void In_StatusSharesADescriptorWithData_GivesTheSameAnswer()
    {
        BlockAnswer answer = _bench.SendChain([BlockBench.Header(BlockRequestType.In, 3)], [100, Sector - 100 + 1]);

        Assert.Equal(Ok, answer.Status);
        Assert.Equal(_backend.Disk[(3 * Sector)..(4 * Sector)], answer.Data);
        Assert.Equal(Sector + 1u, answer.Used);
    }

    [Fact]
    public void InAndOut_ChainsOfSingleBytes_GiveTheSameAnswers()
    {
        byte[] data = Pattern(Sector, seed: 4);
        byte[][] readable =
        [
            .. BlockBench.Header(BlockRequestType.Out, 1).Concat(data).Select(static b => new[] { b }),
        ];
        int[] singleBytes = [.. Enumerable.Repeat(1, Sector + 1)];
        byte[][] header = [.. BlockBench.Header(BlockRequestType.In, 1).Select(static b => new[] { b })];

        BlockAnswer written = _bench.SendChain(readable, [1]);
        BlockAnswer read = _bench.SendChain(header, singleBytes);

        Assert.Equal((Ok, 1u), (written.Status, written.Used));
        Assert.Equal((Ok, Sector + 1u), (read.Status, read.Used));
        Assert.Equal(data, read.Data);
    }

    [Fact]
    public void Out_HeaderAndDataInOneDescriptor_ChangesTheDisk()
    {
        byte[] data = Pattern(Sector, seed: 5);

        BlockAnswer answer = _bench.SendChain(
            [
                [.. BlockBench.Header(BlockRequestType.Out, 8), .. data],
            ],
            [1]
        );

        Assert.Equal(Ok, answer.Status);
        Assert.Equal(data, _backend.Disk[(8 * Sector)..(9 * Sector)]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(513)]
    [InlineData(1023)]
    public void In_PartOfASector_FailsAndWritesOnlyTheStatus(int bytes)
    {
        BlockAnswer answer = _bench.Ask(BlockRequestType.In, 0, bytes);

        Assert.Equal(IoError, answer.Status);
        Assert.All(answer.Data, static b => Assert.Equal(BlockBench.Untouched, b));
        Assert.Equal(0u, answer.Used);
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(700)]
    public void Out_PartOfASector_FailsAndChangesNothing(int bytes)
    {
        BlockAnswer answer = _bench.Send(BlockRequestType.Out, 0, new byte[bytes]);

        Assert.Equal((IoError, 1u), (answer.Status, answer.Used));
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(Sectors - 1, 1, Ok)]
    [InlineData(Sectors - 1, 2, IoError)]
    [InlineData(Sectors, 1, IoError)]
    [InlineData(Sectors + 1, 1, IoError)]
    [InlineData(ulong.MaxValue, 1, IoError)]
    [InlineData(ulong.MaxValue - 1, 2, IoError)]
    [InlineData(1ul << 55, 1, IoError)]
    [InlineData(1ul << 63, 1, IoError)]
    public void InAndOut_AtTheEndOfTheDisk_StayOnTheDisk(ulong sector, int count, byte status)
    {
        Assert.Equal(status, _bench.Ask(BlockRequestType.In, sector, count * Sector).Status);
        Assert.Equal(status, _bench.Send(BlockRequestType.Out, sector, new byte[count * Sector]).Status);
    }

    [Fact]
    public void InAndOut_WithoutData_AreDone()
    {
        Assert.Equal((Ok, 1u), StatusAndUsed(_bench.SendChain([BlockBench.Header(BlockRequestType.In, 0)], [1])));
        Assert.Equal((Ok, 1u), StatusAndUsed(_bench.SendChain([BlockBench.Header(BlockRequestType.Out, 0)], [1])));
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    public void AnyRequest_HeaderCutShort_Fails(int headerBytes)
    {
        byte[] header = BlockBench.Header(BlockRequestType.Flush, 0)[..headerBytes];

        BlockAnswer answer = _bench.SendChain([header], [1]);

        Assert.Equal((IoError, 1u), (answer.Status, answer.Used));
        Assert.Empty(_backend.Calls);
    }

    [Fact]
    public void AnyRequest_NoWritableByte_IsGivenBackEmpty()
    {
        BlockTicket ticket = _bench.Post([BlockBench.Header(BlockRequestType.Out, 0), new byte[Sector]], []);
        _bench.Pump();

        Assert.NotNull(ticket.Answer);
        Assert.Equal(0u, ticket.Answer.Used);
        Assert.Empty(_backend.Calls);
        Assert.Empty(_backend.Pending);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(12)]
    [InlineData(14)]
    [InlineData(17)]
    [InlineData(27)]
    [InlineData(0x8000_0000)]
    [InlineData(uint.MaxValue)]
    public void UnknownType_IsUnsupported(uint type)
    {
        BlockAnswer answer = _bench.SendChain([BlockBench.Header((BlockRequestType)type, 0)], [1]);

        Assert.Equal((Unsupported, 1u), (answer.Status, answer.Used));
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [Clause("block.dev.033")]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(18)]
    [InlineData(20)]
    [InlineData(22)]
    [InlineData(24)]
    [InlineData(26)]
    public void ZoneRequest_WithoutZones_IsUnsupported(uint type)
    {
        Assert.Equal(Unsupported, _bench.Ask((BlockRequestType)type, 0, Sector).Status);
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(20, Ok, 21)]
    [InlineData(21, Ok, 20)]
    [InlineData(4096, Ok, 20)]
    [InlineData(19, IoError, 0)]
    [InlineData(0, IoError, 1)]
    public void GetId_AnyRoom_AnswersWhenItFits(int bytes, byte status, uint used)
    {
        BlockAnswer answer = _bench.Ask(BlockRequestType.GetId, 0, bytes);

        Assert.Equal((status, used), StatusAndUsed(answer));
        if (status == Ok)
        {
            Assert.Equal("vireo-disk-1\0\0\0\0\0\0\0\0"u8.ToArray(), answer.Data[..20]);
        }
    }

    [Theory]
    [InlineData(BlockResult.IoError, IoError)]
    [InlineData(BlockResult.NoSpace, IoError)]
    [InlineData(BlockResult.Unsupported, Unsupported)]
    public void AnyRequest_DiskFails_SaysSo(BlockResult result, byte status)
    {
        _backend.Fail(result, result, result, result);

        Assert.Equal((status, 0u), StatusAndUsed(_bench.Ask(BlockRequestType.In, 0, Sector)));
        Assert.Equal((status, 1u), StatusAndUsed(_bench.Send(BlockRequestType.Out, 0, new byte[Sector])));
        Assert.Equal(status, _bench.Ask(BlockRequestType.Flush, 0, 0).Status);
        Assert.Equal(status, _bench.SendRanges(BlockRequestType.WriteZeroes, new BlockRangeHeader(0, 1, 0)).Status);
        Assert.Equal(Ok, _bench.Ask(BlockRequestType.In, 0, Sector).Status);
        Assert.Equal(4, _bench.Device.StatisticsOf(0).Errors);
    }

    [Fact]
    public void Requests_CompletedInAnyOrder_GetTheirOwnAnswers()
    {
        _backend.IsDeferred = true;
        BlockTicket[] tickets =
        [
            .. Enumerable
                .Range(0, 16)
                .Select(i => _bench.Post([BlockBench.Header(BlockRequestType.In, (ulong)i)], [Sector, 1])),
        ];
        _bench.Pump();
        Assert.Equal(16, _backend.Pending.Count);
        Assert.All(tickets, static ticket => Assert.Null(ticket.Answer));

        Random random = new(7);
        while (_backend.Pending.Count > 0)
        {
            _backend.CompleteAt(random.Next(_backend.Pending.Count));
            _bench.Pump();
        }

        for (int index = 0; index < tickets.Length; index++)
        {
            Assert.Equal(_backend.Disk[(index * Sector)..((index + 1) * Sector)], tickets[index].Answer!.Data);
        }
    }

    [Fact]
    public void StopQueue_RequestsInFlight_WaitsForThem()
    {
        _backend.IsDeferred = true;
        BlockTicket read = _bench.Post([BlockBench.Header(BlockRequestType.In, 0)], [Sector, 1]);
        BlockTicket late = _bench.Post([BlockBench.Header(BlockRequestType.In, 1)], [Sector, 1]);
        _bench.Pump();

        Assert.NotNull(_bench.Home.StopQueue(0));
        _bench.Collect();

        Assert.Equal(Ok, read.Answer?.Status);
        Assert.Equal(Ok, late.Answer?.Status);
        Assert.True(_backend.Channels[0].IsStopping);
        Assert.True(_backend.Channels[0].IsDisposed);
    }

    [Fact]
    public void Discard_Ranges_ReachTheDiskInOrder()
    {
        BlockAnswer answer = _bench.SendRanges(
            BlockRequestType.Discard,
            new BlockRangeHeader(8, 8, 0),
            new BlockRangeHeader(100, 0, 0),
            new BlockRangeHeader(32, 16, 0)
        );

        Assert.Equal((Ok, 1u), StatusAndUsed(answer));
        Assert.Equal(
            "Discard(4096, 4096), Discard(16384, 8192)",
            string.Join(", ", _backend.Calls.Select(static c => c.ToString()))
        );
    }

    [Fact]
    [Clause("block.dev.024", "block.dev.025")]
    public void WriteZeroes_WithAndWithoutUnmap_ReadsAsZeroes()
    {
        Assert.Equal(
            Ok,
            _bench
                .SendRanges(
                    BlockRequestType.WriteZeroes,
                    new BlockRangeHeader(1, 2, 0),
                    new BlockRangeHeader(5, 1, BlockRangeHeader.Unmap)
                )
                .Status
        );

        Assert.Equal(new byte[2 * Sector], _bench.Ask(BlockRequestType.In, 1, 2 * Sector).Data);
        Assert.Equal(new byte[Sector], _bench.Ask(BlockRequestType.In, 5, Sector).Data);
        Assert.Equal([false, true], _backend.Calls.Take(2).Select(static call => call.Flag));
    }

    [Theory]
    [Clause("block.dev.021")]
    [InlineData(11, 2u)]
    [InlineData(11, 0x8000_0000)]
    [InlineData(13, 2u)]
    [InlineData(13, 3u)]
    [InlineData(13, 0x8000_0001)]
    public void Ranges_UnknownFlag_IsUnsupportedWhateverElseIsWrong(uint type, uint flags)
    {
        BlockAnswer answer = _bench.SendRanges(
            (BlockRequestType)type,
            new BlockRangeHeader(ulong.MaxValue, 1, 0),
            new BlockRangeHeader(0, 1, flags),
            new BlockRangeHeader(0, 1, 0)
        );

        Assert.Equal(Unsupported, answer.Status);
        Assert.Empty(_backend.Calls);
    }

    [Fact]
    [Clause("block.dev.022")]
    public void Discard_Unmap_IsUnsupported()
    {
        Assert.Equal(
            Unsupported,
            _bench.SendRanges(BlockRequestType.Discard, new BlockRangeHeader(0, 1, BlockRangeHeader.Unmap)).Status
        );
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(33 * 16)]
    public void Ranges_WrongLength_Fails(int bytes)
    {
        Assert.Equal(IoError, _bench.Send(BlockRequestType.Discard, 0, new byte[bytes]).Status);
        Assert.Equal(IoError, _bench.Send(BlockRequestType.WriteZeroes, 0, new byte[bytes]).Status);
        Assert.Empty(_backend.Calls);
    }

    [Theory]
    [InlineData(Sectors, 1)]
    [InlineData(Sectors - 1, 2)]
    [InlineData(ulong.MaxValue, 1)]
    [InlineData(0, 2049)]
    [InlineData(0, uint.MaxValue)]
    public void Ranges_PastTheEndOrTheLimit_FailWhole(ulong sector, uint count)
    {
        BlockAnswer answer = _bench.SendRanges(
            BlockRequestType.WriteZeroes,
            new BlockRangeHeader(0, 1, 0),
            new BlockRangeHeader(sector, count, 0)
        );

        Assert.Equal(IoError, answer.Status);
        Assert.Empty(_backend.Calls);
    }

    [Fact]
    public void Ranges_SecondFails_EndsThere()
    {
        _backend.Fail(BlockResult.Done, BlockResult.IoError);

        BlockAnswer answer = _bench.SendRanges(
            BlockRequestType.Discard,
            new BlockRangeHeader(0, 1, 0),
            new BlockRangeHeader(1, 1, 0),
            new BlockRangeHeader(2, 1, 0)
        );

        Assert.Equal(IoError, answer.Status);
        Assert.Equal(2, _backend.Calls.Count);
    }

    [Fact]
    public void Ranges_AnsweredLater_GoOnFromTheCompletion()
    {
        _backend.IsDeferred = true;
        BlockRangeHeader[] ranges =
        [
            .. Enumerable.Range(0, 32).Select(static i => new BlockRangeHeader((ulong)i, 1, 0)),
        ];
        BlockTicket ticket = _bench.Post(
            [
                BlockBench.Header(BlockRequestType.Discard, 0),
                Wire.Reinterpret<BlockRangeHeader, byte>(ranges.AsSpan()).ToArray(),
            ],
            [1]
        );
        for (int turn = 0; turn < 32; turn++)
        {
            _bench.Pump();
            Assert.Null(ticket.Answer);
            _backend.CompleteAt(0);
        }

        _bench.Pump();
        Assert.Equal(Ok, ticket.Answer?.Status);
    }

    [Fact]
    public void Ranges_NotNegotiated_AreUnsupported()
    {
        _bench.Negotiate(static offered => offered.Without(BlockFeatures.Discard).Without(BlockFeatures.WriteZeroes));

        Assert.Equal(Unsupported, _bench.SendRanges(BlockRequestType.Discard, new BlockRangeHeader(0, 1, 0)).Status);
        Assert.Equal(
            Unsupported,
            _bench.SendRanges(BlockRequestType.WriteZeroes, new BlockRangeHeader(0, 1, 0)).Status
        );
    }

    [Fact]
    public void Requests_ManySizesOfChain_LeaseAndReturnTheirRoom()
    {
        Random random = new(3);
        for (int round = 0; round < 300; round++)
        {
            int pieces = random.Next(1, 500);
            int[] lengths = [.. Enumerable.Repeat(1, pieces - 1), Sector - (pieces - 1), 1];
            BlockAnswer answer = _bench.SendChain([BlockBench.Header(BlockRequestType.In, 2)], lengths);
            Assert.Equal(_backend.Disk[(2 * Sector)..(3 * Sector)], answer.Data);
        }
    }

    [Fact]
    public void LogicalBlockOf4096_OnlyWholeBlocksPass()
    {
        FakeBlockBackend backend = new(Sectors)
        {
            Traits = new() { LogicalBlockBytes = 4096, PhysicalBlockBytes = 4096 },
        };
        using BlockBench bench = new(backend);

        Assert.Equal(Ok, bench.Ask(BlockRequestType.In, 8, 4096).Status);
        Assert.Equal(IoError, bench.Ask(BlockRequestType.In, 1, 4096).Status);
        Assert.Equal(IoError, bench.Ask(BlockRequestType.In, 0, 512).Status);
        Assert.Equal(IoError, bench.Send(BlockRequestType.Out, 4, new byte[4096]).Status);
    }

    [Fact]
    [Clause("block.dev.020")]
    public void Out_ReadOnly_FailsAndChangesNothing()
    {
        FakeBlockBackend backend = new(Sectors) { Traits = new() { IsReadOnly = true } };
        using BlockBench bench = new(backend);

        Assert.True(bench.Home.Lifecycle.Offered.Contains(BlockFeatures.ReadOnly));
        Assert.Equal((IoError, 1u), StatusAndUsed(bench.Send(BlockRequestType.Out, 0, new byte[Sector])));
        bench.Negotiate(static offered => offered.Without(BlockFeatures.ReadOnly));
        Assert.Equal(IoError, bench.Send(BlockRequestType.Out, 0, new byte[Sector]).Status);
        Assert.Equal(Unsupported, bench.SendRanges(BlockRequestType.Discard, new BlockRangeHeader(0, 1, 0)).Status);
        Assert.Empty(backend.Calls);
        Assert.Equal(Ok, bench.Ask(BlockRequestType.In, 0, Sector).Status);
    }

    [Fact]
    public void Statistics_CountBytesAndRequests()
    {
        _bench.Ask(BlockRequestType.In, 0, 2 * Sector);
        _bench.Send(BlockRequestType.Out, 0, new byte[3 * Sector]);
        _bench.Ask(BlockRequestType.In, Sectors, Sector);

        BlockQueueStatistics statistics = _bench.Device.StatisticsOf(0);

        Assert.Equal(
            (3L, 1L, 2L * Sector, 3L * Sector),
            (statistics.Requests, statistics.Errors, statistics.ReadBytes, statistics.WrittenBytes)
        );
    }

    private static byte[] Pattern(int bytes, int seed)
    {
        byte[] pattern = new byte[bytes];
        new Random(seed).NextBytes(pattern);
        return pattern;
    }

    private static (byte Status, uint Used) StatusAndUsed(BlockAnswer answer) => (answer.Status, answer.Used);
}
