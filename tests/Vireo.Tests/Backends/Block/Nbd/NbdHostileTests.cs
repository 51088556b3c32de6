using System.Buffers.Binary;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Nbd;
using Vireo.Devices.Block;
using Vireo.Linux.Events;

namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>Servers that lie, break off, or say nothing.</summary>
public sealed class NbdHostileTests
{
    private const int DiskBytes = 1 << 20;

    public static TheoryData<string, byte[]> Greetings
    {
        get
        {
            byte[] noStructure = FakeNbdServer.OptionReply(
                NbdProtocol.OptionStructuredReply,
                NbdProtocol.ReplyUnsupported
            );
            byte[] hello = [.. FakeNbdServer.Hello(), .. noStructure];
            return new()
            {
                { "does not answer", [] },
                { "does not answer", [1, 2, 3] },
                { "no NBD server", FakeNbdServer.Hello(magic: 0x1234) },
                { "old form", FakeNbdServer.Hello(style: NbdProtocol.OldStyleMagic) },
                { "old form", FakeNbdServer.Hello(flags: 0) },
                { "answered option", [.. FakeNbdServer.Hello(), .. FakeNbdServer.OptionReply(99, 1)] },
                { "65537 bytes", [.. hello, .. FakeNbdServer.OptionReply(NbdProtocol.OptionGo, 3, new byte[65537])] },
                { "has no export", [.. hello, .. Go(NbdProtocol.ReplyUnknown)] },
                { "wants TLS", [.. hello, .. Go(NbdProtocol.ReplyTlsRequired)] },
                { "does not allow", [.. hello, .. Go(NbdProtocol.ReplyPolicy, (byte)'n', (byte)'o')] },
                { "with 1", [.. hello, .. Go(NbdProtocol.ReplyAck)] },
                {
                    "exports 18446744073709551615 bytes",
                    [.. hello, .. Go(3, FakeNbdServer.ExportInfo(ulong.MaxValue, 1)), .. Go(1)]
                },
                {
                    "blocks of 3 bytes",
                    [.. hello, .. Export(), .. Go(3, FakeNbdServer.BlockInfo(3, 4096, 65536)), .. Go(1)]
                },
                { "blocks of 0 bytes", [.. hello, .. Export(), .. Go(3, FakeNbdServer.BlockInfo(0, 0, 0)), .. Go(1)] },
                {
                    "blocks of 131072 bytes",
                    [.. hello, .. Export(), .. Go(3, FakeNbdServer.BlockInfo(131072, 131072, 1 << 20)), .. Go(1)]
                },
                {
                    "contradict",
                    [.. hello, .. Export(), .. Go(3, FakeNbdServer.BlockInfo(4096, 512, 65536)), .. Go(1)]
                },
                {
                    "more than 1000 things",
                    [.. hello, .. Enumerable.Range(0, 1001).SelectMany(static _ => Go(3, 0, 9, 1))]
                },
            };
        }
    }

    private static readonly Dictionary<string, Func<FakeNbdRequest, byte[]>> WrongAnswers = new(StringComparer.Ordinal)
    {
        { "no magic", static request => new byte[64] },
        { "another cookie", static request => FakeNbdServer.Simple(request.Cookie + 1, 0) },
        { "a cookie far out", static request => FakeNbdServer.Simple(ulong.MaxValue, 0) },
        { "a simple answer", static request => FakeNbdServer.Simple(request.Cookie, 0, new byte[4096]) },
        { "nothing, and that is all", static request => FakeNbdServer.Chunk(request.Cookie, 0, true, []) },
        { "half of it", static request => FakeNbdServer.Data(request.Cookie, true, 0, new byte[2048]) },
        {
            "bytes before it",
            static request => FakeNbdServer.Data(request.Cookie, true, ulong.MaxValue, new byte[4096])
        },
        { "bytes behind it", static request => FakeNbdServer.Data(request.Cookie, true, 2048, new byte[4096]) },
        {
            "bytes twice",
            static request =>
                [
                    .. FakeNbdServer.Data(request.Cookie, false, 0, new byte[4096]),
                    .. FakeNbdServer.Data(request.Cookie, true, 1024, new byte[512]),
                ]
        },
        { "a piece too long", static request => FakeNbdServer.Chunk(request.Cookie, 1, true, [], uint.MaxValue) },
        { "a hole of no length", static request => FakeNbdServer.Chunk(request.Cookie, 2, true, new byte[12]) },
        { "a hole of the wrong form", static request => FakeNbdServer.Chunk(request.Cookie, 2, true, new byte[11]) },
        { "what was not asked", static request => FakeNbdServer.Chunk(request.Cookie, 5, true, new byte[12]) },
        { "a type from nowhere", static request => FakeNbdServer.Chunk(request.Cookie, 77, true, new byte[12]) },
        { "an error of 2 bytes", static request => FakeNbdServer.Chunk(request.Cookie, 0x8001, true, new byte[2]) },
    };

    public static TheoryData<string> Answers => [.. WrongAnswers.Keys];

    [Theory]
    [MemberData(nameof(Greetings))]
    public void Open_GreetingThatIsWrong_SaysWhatIsWrong(string said, byte[] greeting)
    {
        using FakeNbdServer server = new FakeNbdServer(DiskBytes) { Greeting = greeting }.Start();
        using var loops = EventLoopGroup.Start(1);
        NbdOptions options = new() { ConnectTimeout = TimeSpan.FromSeconds(greeting.Length < 18 ? 1 : 20) };

        ImageException exception = Assert.Throws<ImageException>(() => NbdDisk.Open(server.Address, loops, options));

        Assert.Contains(said, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void Read_AnswerThatIsWrong_FailsAndLeavesTheRestAlone(string what)
    {
        using FakeNbdServer server = new FakeNbdServer(DiskBytes) { Answer = WrongAnswers[what] }.Start();
        using ChannelBench bench = Open(server, new() { ReconnectFor = TimeSpan.Zero });

        Assert.True(bench.TryRead(0, 4096) == BlockResult.IoError, what);
    }

    [Theory]
    [InlineData(28, BlockResult.NoSpace)]
    [InlineData(5, BlockResult.IoError)]
    [InlineData(1, BlockResult.IoError)]
    [InlineData(108, BlockResult.IoError)]
    public void Write_ServerFails_HasTheRightResult(uint error, BlockResult expected)
    {
        using FakeNbdServer server = new FakeNbdServer(DiskBytes)
        {
            Answer = request =>
                request.Command == NbdCommand.Write ? FakeNbdServer.Simple(request.Cookie, error) : null,
        }.Start();
        using ChannelBench bench = Open(server, new());

        Assert.Equal(expected, bench.Write(0, new byte[4096]));
        Assert.Equal(BlockResult.Done, bench.TryRead(0, 4096));
        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public void Read_ErrorAfterSomeData_Fails()
    {
        byte[] error = new byte[6];
        BinaryPrimitives.WriteUInt32BigEndian(error, NbdProtocol.ErrorIo);
        using FakeNbdServer server = new FakeNbdServer(DiskBytes)
        {
            Answer = request =>
                [
                    .. FakeNbdServer.Data(request.Cookie, false, 0, new byte[512]),
                    .. FakeNbdServer.Chunk(request.Cookie, 0x8001, true, error),
                ],
        }.Start();
        using ChannelBench bench = Open(server, new());

        Assert.Equal(BlockResult.IoError, bench.TryRead(0, 4096));
        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public void Requests_ServerComesBack_AreCarriedOut()
    {
        int left = 3;
        using FakeNbdServer server = new FakeNbdServer(DiskBytes)
        {
            // Full: only the server's thread counts.
            Answer = request =>
                request.Command == NbdCommand.Write && Interlocked.Decrement(ref left) >= 0
                    ? throw new IOException("the server breaks off")
                    : null,
        }.Start();
        using ChannelBench bench = Open(server, new() { ReconnectFor = TimeSpan.FromMinutes(1) });
        byte[] data = [.. Enumerable.Range(0, 4096).Select(static index => (byte)(index % 251))];

        Assert.Equal(BlockResult.Done, bench.Write(8192, data));

        Assert.Equal(data, bench.Read(8192, 4096));
        Assert.Equal(4, server.Connections);
    }

    [Fact]
    public void BeginStop_ServerIsGone_RequestsThatWaitFail()
    {
        FakeNbdServer server = new FakeNbdServer(DiskBytes).Start();
        using ChannelBench bench = Open(server, new() { ReconnectFor = TimeSpan.FromHours(1) });
        Assert.Equal(BlockResult.Done, bench.TryRead(0, 512));
        server.Dispose();

        bench.PostRead(1, 0, 4096);
        bench.Call(static channel => channel.BeginStop());
        bench.WaitForAll();

        Assert.Equal(BlockResult.IoError, bench.ResultOf(1));
    }

    [Fact]
    public void BeginStop_ServerIsSilent_RequestsFailAfterAWhile()
    {
        using ManualResetEventSlim isEnd = new();
        using FakeNbdServer server = new FakeNbdServer(DiskBytes)
        {
            Answer = request =>
            {
                isEnd.Wait(TimeSpan.FromSeconds(60));
                return null;
            },
        }.Start();
        using (ChannelBench bench = Open(server, new() { StopPatience = TimeSpan.FromMilliseconds(50) }))
        {
            bench.PostRead(1, 0, 4096);
            bench.Call(static channel => channel.BeginStop());
            bench.WaitForAll();

            Assert.Equal(BlockResult.IoError, bench.ResultOf(1));
        }

        isEnd.Set();
    }

    [Fact]
    public void Open_NobodyThere_SaysSo()
    {
        using var loops = EventLoopGroup.Start(1);
        var address = NbdAddress.Parse("nbd+unix:///?socket=/nowhere/nbd.sock");

        ImageException exception = Assert.Throws<ImageException>(() => NbdDisk.Open(address, loops));

        Assert.Contains("/nowhere/nbd.sock", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_LargeBlocks_AreTheDisks()
    {
        using FakeNbdServer server = new FakeNbdServer(DiskBytes) { Blocks = (4096, 65536, 1 << 20) }.Start();
        using ChannelBench bench = Open(server, new());

        Assert.Equal(4096, bench.Backend.Traits.LogicalBlockBytes);
        Assert.Equal(65536, bench.Backend.Traits.PhysicalBlockBytes);
    }

    [Fact]
    public void Image_MapAndCopy_AreThoseOfTheServer()
    {
        using FakeNbdServer server = new FakeNbdServer(DiskBytes) { Blocks = (512, 4096, 65536) }.Start();
        server.Disk.AsSpan(102_400, 51_200).Fill(7);
        using DiskImage image = DiskImages.Open(server.Address.Text);

        Assert.Equal(new(ExtentKind.Zero, 102_400, 0), image.Map(0, DiskBytes));
        Assert.Equal(new(ExtentKind.Data, 51_200, 102_400), image.Map(102_400, DiskBytes));
        image.Write(123, [1, 2, 3]);
        image.WriteZeroes(102_400, 1_000, mayUnmap: true);
        image.Flush();
        byte[] found = new byte[DiskBytes];
        image.Read(0, found);

        byte[] expected = new byte[DiskBytes];
        expected.AsSpan(103_400, 50_200).Fill(7);
        (expected[123], expected[124], expected[125]) = (1, 2, 3);
        Assert.Equal(expected, found);
    }

    private static byte[] Go(uint reply, params byte[] data) =>
        FakeNbdServer.OptionReply(NbdProtocol.OptionGo, reply, data);

    private static byte[] Export() => Go(NbdProtocol.ReplyInfo, FakeNbdServer.ExportInfo(DiskBytes, 1));

    private static ChannelBench Open(FakeNbdServer server, NbdOptions options)
    {
        var loops = EventLoopGroup.Start(1);
        try
        {
            var disk = NbdDisk.Open(server.Address, loops, options);
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }
}
