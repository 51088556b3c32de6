using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Homes.Loopback;
using Vireo.Tests.Fakes;

namespace Vireo.Tests.Devices.Block;

/// <summary>A block device, a disk and a driver in one thread: requests go through a real ring.</summary>
internal sealed class BlockBench : IDisposable
{
    public const int HeaderBytes = 16;
    public const byte Untouched = 0xEE;

    private const ushort QueueSize = 1024;

    private readonly IBlockBackend _backend;
    private readonly BlockOptions? _options;
    private readonly FeatureSet _rings;
    private readonly Dictionary<ulong, BlockTicket> _tickets = [];
    private LoopbackHome _home;
    private ulong _lastTag;

    public BlockBench(
        IBlockBackend backend,
        BlockOptions? options = null,
        Func<FeatureSet, FeatureSet>? choose = null,
        FeatureSet? rings = null
    )
    {
        _backend = backend;
        _options = options;
        _rings = rings ?? FeatureSet.Of(CoreFeature.EventIndex);
        _home = Open(choose ?? (static offered => offered));
    }

    public LoopbackHome Home => _home;

    public BlockDevice Device => (BlockDevice)_home.Lifecycle.Device;

    /// <summary>Begins anew with other features and a new device.</summary>
    public void Negotiate(Func<FeatureSet, FeatureSet> choose)
    {
        _home.Dispose();
        _tickets.Clear();
        _home = Open(choose);
    }

    /// <summary>A request as drivers usually frame it: header, data, status.</summary>
    public BlockAnswer Send(BlockRequestType type, ulong sector, byte[] data) =>
        SendChain([Header(type, sector), data], [1]);

    /// <summary>A request that reads.</summary>
    public BlockAnswer Ask(BlockRequestType type, ulong sector, int bytes) =>
        SendChain([Header(type, sector)], [bytes, 1]);

    public BlockAnswer SendRanges(BlockRequestType type, params BlockRangeHeader[] ranges) =>
        Send(type, 0, Wire.Reinterpret<BlockRangeHeader, byte>(ranges.AsSpan()).ToArray());

    /// <summary>Sends one chain and waits for its end.</summary>
    public BlockAnswer SendChain(byte[][] readable, int[] writable)
    {
        BlockTicket ticket = Post(readable, writable);
        Pump();
        Assert.NotNull(ticket.Answer);
        return ticket.Answer;
    }

    /// <summary>Makes one chain available. Buffers of no bytes are left out.</summary>
    public BlockTicket Post(byte[][] readable, int[] writable)
    {
        GuestRange[] inputs = [.. readable.Where(static b => b.Length > 0).Select(bytes => _home.Allocate(bytes))];
        GuestRange[] outputs = [.. writable.Where(static n => n > 0).Select(length => _home.Allocate((uint)length))];
        Array.ForEach(outputs, range => _home.Bytes(range).Fill(Untouched));
        BlockTicket ticket = new(outputs);
        _tickets.Add(++_lastTag, ticket);
        Assert.True(_home.Queue(0).TryAdd(inputs, outputs, _lastTag));
        _home.Queue(0).Publish();
        return ticket;
    }

    /// <summary>Lets the device work until it has nothing to do, and collects what it used.</summary>
    public void Pump()
    {
        _home.Kick(0);
        Collect();
    }

    public void Collect()
    {
        while (_home.Queue(0).TryTake(out DriverCompletion completion))
        {
            Assert.True(_tickets.Remove(completion.Tag, out BlockTicket? ticket), "a buffer came back twice");
            byte[] writable = [.. ticket.Writable.SelectMany(range => _home.Bytes(range).ToArray())];
            ticket.Answer = new(writable, completion.WrittenBytes);
        }

        Assert.Equal(UsedFault.None, _home.Queue(0).Fault);
        Assert.Equal(QueueFault.None, _home.FaultOf(0));
    }

    public byte[] ReadConfig(int offset, int length)
    {
        byte[] bytes = new byte[length];
        Device.ReadConfig(offset, bytes);
        return bytes;
    }

    public static byte[] Header(BlockRequestType type, ulong sector)
    {
        BlockRequestHeader header = new(type, sector);
        return Wire.Bytes(ref header).ToArray();
    }

    public void Dispose() => _home.Dispose();

    private LoopbackHome Open(Func<FeatureSet, FeatureSet> choose)
    {
        BlockDevice device = new(_backend, _options);
        LoopbackOptions options = new()
        {
            QueueSize = QueueSize,
            RingFeatures = _rings,
            DeviceFeatures = choose(device.OfferedFeatures),
            WaitForBackend = () => (_backend as FakeBlockBackend)?.CompleteAll(),
        };
        return LoopbackHome.Open(device, options);
    }
}
