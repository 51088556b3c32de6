using System.Buffers.Binary;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Drivers;
using Vireo.Homes.VhostUser;

namespace Vireo.GuestDriver;

/// <summary>A zoned disk behind vhost-user: what its zones are, and what they do (VIRTIO 1.4 §5.2.6).</summary>
internal sealed class ZoneCheck : IDisposable
{
    private const int SectorBytes = 512;
    private const int HeaderBytes = 16;
    private const int DataBytes = 64 << 10;
    private const int ZonedConfigAt = 72;
    private const int ReportHeaderBytes = 64;
    private const int DescriptorBytes = 64;
    private const uint Read = 0;
    private const uint Write = 1;
    private const uint Append = 15;
    private const uint Report = 16;
    private const uint OpenZone = 18;
    private const uint CloseZone = 20;
    private const uint FinishZone = 22;
    private const uint ResetZone = 24;
    private const uint ResetAll = 26;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly DriverSession _session;
    private readonly DriverBuffer _header;
    private readonly DriverBuffer _data;
    private readonly DriverBuffer _tail;

    private ZoneCheck(string socket)
    {
        _session = DriverSession.Open(
            VhostUserProxy.Connect(socket, DeviceType.Block, new() { QueueCount = 1 }),
            FeatureSet.Of(BlockFeatures.Zoned)
        );
        _session.StartQueues(1, descriptorsPerRequest: 3);
        _header = _session.Memory.Allocate(HeaderBytes);
        _data = _session.Memory.Allocate(DataBytes);
        _tail = _session.Memory.Allocate(2 * sizeof(ulong));
    }

    /// <summary>Makes the check.</summary>
    /// <param name="socket">The disk's socket.</param>
    /// <param name="conventional">How many conventional zones the disk begins with.</param>
    public static string Run(string socket, uint conventional)
    {
        using ZoneCheck check = new(socket);
        Span<byte> config = stackalloc byte[24];
        check._session.ReadConfig(ZonedConfigAt, config);
        uint zoneSectors = BinaryPrimitives.ReadUInt32LittleEndian(config);
        uint openMax = BinaryPrimitives.ReadUInt32LittleEndian(config[4..]);
        uint activeMax = BinaryPrimitives.ReadUInt32LittleEndian(config[8..]);
        uint appendMax = BinaryPrimitives.ReadUInt32LittleEndian(config[12..]);
        uint granularity = BinaryPrimitives.ReadUInt32LittleEndian(config[16..]);
        check.UseZone(zoneSectors * conventional);
        check.ReachLimits(zoneSectors, conventional, openMax);
        return $"model {config[20]}, zones of {zoneSectors} sectors, {openMax} open, {activeMax} active, appends of {appendMax}, written by {granularity}";
    }

    public void Dispose() => _session.Dispose();

    /// <summary>The life of a zone.</summary>
    private void UseZone(ulong start)
    {
        Expect(BlockStatus.Ok, ResetZone, start, 0);
        ExpectZone(start, BlockZoneState.Empty, start);
        byte[] written = new byte[3 * 8192];
        new Random(7).NextBytes(written);
        for (int index = 0; index < 2; index++)
        {
            written.AsSpan(index * 8192, 8192).CopyTo(_data.Bytes);
            Expect(BlockStatus.Ok, Append, start, 8192);
            ulong at = BinaryPrimitives.ReadUInt64LittleEndian(_tail.Bytes);
            Require(at == start + (ulong)(index * 16), $"append {index} went to {at}");
        }

        written.AsSpan(2 * 8192).CopyTo(_data.Bytes);
        Expect(BlockStatus.ZoneUnaligned, Write, start, 8192);
        Expect(BlockStatus.ZoneUnaligned, Write, start + 40, 8192);
        Expect(BlockStatus.Ok, Write, start + 32, 8192);
        ExpectZone(start, BlockZoneState.ImplicitlyOpen, start + 48);
        Expect(BlockStatus.Ok, Read, start, written.Length);
        Require(_data.Bytes[..written.Length].SequenceEqual(written), "what is read is not what was written");
        Expect(BlockStatus.Ok, CloseZone, start, 0);
        ExpectZone(start, BlockZoneState.Closed, start + 48);
        Expect(BlockStatus.Ok, OpenZone, start, 0);
        ExpectZone(start, BlockZoneState.ExplicitlyOpen, start + 48);
        Expect(BlockStatus.ZoneInvalid, OpenZone, start + 8, 0);
        Expect(BlockStatus.Ok, FinishZone, start, 0);
        Expect(BlockStatus.ZoneInvalid, Append, start, 8192);
        Expect(BlockStatus.ZoneInvalid, Write, start + 48, 8192);
        Expect(BlockStatus.Ok, ResetAll, 0, 0);
        ExpectZone(start, BlockZoneState.Empty, start);
        // Conventional zones are written anywhere, and not managed.
        Expect(BlockStatus.Ok, Write, 24, 8192);
        Expect(BlockStatus.ZoneInvalid, ResetZone, 0, 0);
    }

    /// <summary>Opens as many zones as there may be, and one more.</summary>
    private void ReachLimits(uint zoneSectors, uint conventional, uint openMax)
    {
        for (uint index = 0; index < openMax; index++)
        {
            Expect(BlockStatus.Ok, OpenZone, (ulong)zoneSectors * (conventional + index), 0);
        }

        Expect(BlockStatus.ZoneOpenLimit, OpenZone, (ulong)zoneSectors * (conventional + openMax), 0);
        Expect(BlockStatus.Ok, ResetAll, 0, 0);
    }

    private void ExpectZone(ulong start, BlockZoneState state, ulong pointer)
    {
        Expect(BlockStatus.Ok, Report, start, ReportHeaderBytes + DescriptorBytes);
        ReadOnlySpan<byte> zone = _data.Bytes[ReportHeaderBytes..];
        ulong toldStart = BinaryPrimitives.ReadUInt64LittleEndian(zone[8..]);
        ulong toldPointer = BinaryPrimitives.ReadUInt64LittleEndian(zone[16..]);
        var toldState = (BlockZoneState)zone[25];
        Require(
            toldStart == start && toldPointer == pointer && toldState == state,
            $"the zone at {start} is at {toldStart}, {toldState}, to be written at {toldPointer}; expected {state} and {pointer}"
        );
    }

    private void Expect(BlockStatus status, uint type, ulong sector, int dataBytes)
    {
        Span<byte> header = _header.Bytes;
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        _tail.Bytes.Fill(0xff);
        // The sector of an append stands before the status.
        int tailBytes = type == Append ? sizeof(ulong) + 1 : 1;
        bool isToDevice = type is Write or Append;
        QueueClient queue = _session.Queues[0];
        bool isAdded =
            dataBytes == 0 ? queue.TryAdd([_header.Range], [_tail.Slice(0, tailBytes).Range], tag: 0)
            : isToDevice
                ? queue.TryAdd(
                    [_header.Range, _data.Slice(0, dataBytes).Range],
                    [_tail.Slice(0, tailBytes).Range],
                    tag: 0
                )
            : queue.TryAdd([_header.Range], [_data.Slice(0, dataBytes).Range, _tail.Slice(0, tailBytes).Range], tag: 0);
        Require(isAdded, "the queue is full");
        queue.Submit();
        Require(queue.TryTake(Patience, out _), $"a request of type {type} is not answered");
        var told = (BlockStatus)_tail.Bytes[tailBytes - 1];
        Require(told == status, $"a request of type {type} at {sector} gave {told}, and not {status}");
    }

    private static void Require(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new InvalidDataException(sentence);
        }
    }
}
