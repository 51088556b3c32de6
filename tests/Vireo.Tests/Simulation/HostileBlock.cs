using System.Buffers.Binary;
using Vireo.Backends.Block.Memory;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Homes.Loopback;

namespace Vireo.Tests.Simulation;

/// <summary>The block device on a small disk in memory.</summary>
internal sealed class HostileBlock : HostileTarget
{
    private const int Sectors = 64;
    private const int SectorBytes = 512;
    private const byte StatusOk = 0;

    /// <summary>Request types there are: read, write, flush, identification, lifetime, discard, write zeroes, secure erase.</summary>
    private static readonly uint[] Types = [0, 1, 4, 8, 10, 11, 13, 14];

    private readonly MemoryDisk _disk = new(Sectors);
    private LoopbackHome? _home;
    private GuestRange _header;
    private GuestRange _data;
    private GuestRange _status;
    private byte _pattern;

    public override VirtioDevice CreateDevice() => new BlockDevice(_disk);

    public override void Prepare(LoopbackHome home)
    {
        _home = home;
        _header = home.Allocate(16);
        _data = home.Allocate(16 * 1024);
        _status = home.Allocate(1);
    }

    public override int MakeRequest(Random random, List<GuestRange> pieces)
    {
        uint type = random.Next(10) == 0 ? (uint)random.Next() : Types[random.Next(Types.Length)];
        ulong sector = random.Next(10) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(Sectors + 2);
        WriteHeader(type, sector);
        pieces.Add(_header);
        int dataPieces = random.Next(4);
        for (int count = 0; count < dataPieces; count++)
        {
            uint length = random.Next(5) == 0 ? (uint)random.Next(600) : SectorBytes;
            pieces.Add(new(_data.Address + (uint)random.Next(8 * 1024), length));
        }

        pieces.Add(_status);
        return 1 + (type is 1 or 11 or 13 or 14 ? dataPieces : 0);
    }

    public override void AssertWorks(LoopbackHome home)
    {
        _pattern = unchecked((byte)(_pattern + 1));
        GuestRange sector = new(_data.Address, SectorBytes);
        home.Bytes(sector).Fill(_pattern);
        Ask(home, 1, [_header, sector], [_status]);
        home.Bytes(sector).Clear();
        Ask(home, 0, [_header], [sector, _status]);
        Assert.Equal(-1, home.Bytes(sector).IndexOfAnyExcept(_pattern));
    }

    public override void Dispose() => _disk.Dispose();

    private void Ask(LoopbackHome home, uint type, GuestRange[] readable, GuestRange[] writable)
    {
        WriteHeader(type, 5);
        home.Bytes(_status)[0] = 0xff;
        home.Exchange(0, readable, writable);
        Assert.Equal(StatusOk, home.Bytes(_status)[0]);
    }

    private void WriteHeader(uint type, ulong sector)
    {
        Span<byte> header = _home!.Bytes(_header);
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
    }
}
