using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Tests.Linux;
using Vireo.Tests.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The driver's memory: tables, single regions, and changes while rings run.</summary>
public sealed class MemoryMessageTests : IDisposable
{
    private readonly HomeUnderTest _home = new(new ProbeDevice());
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public MemoryMessageTests()
    {
        _frontEnd = _home.Negotiate();
        _frontEnd.Accept();
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void MaxSlots_Asked_Is509() =>
        Assert.Equal((ulong)MemoryTable.SlotsMax, _frontEnd.Ask(FrontEndRequest.GetMaxMemorySlots));

    [Fact]
    public void AddRegion_RingInIt_Runs()
    {
        Add(_ram.Region, _ram.File.Handle);

        using TestRing ring = _ram.Start(_frontEnd);

        ring.Echo("in a region of its own");
    }

    [Fact]
    public void Table_SetWhileTheRingRuns_GoesOn()
    {
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("before");
        using var other = MemoryFile.Create("hot plugged", 1 << 20);
        MemoryRegionDescription plugged = RegionAt(0x8000_0000, 0x7f99_0000_0000, 1 << 20);

        _frontEnd.SendBytes(
            FrontEndRequest.SetMemoryTable,
            GuestRam.Table(_ram.Region, plugged),
            _ram.File.Handle,
            other.Handle
        );

        ring.Echo("after");
    }

    [Fact]
    public void Regions_AddedAndRemovedWhileTheRingRuns_GoOn()
    {
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        using var other = MemoryFile.Create("hot plugged", 1 << 20);
        MemoryRegionDescription plugged = RegionAt(0x8000_0000, 0x7f99_0000_0000, 1 << 20);
        for (int round = 0; round < 3; round++)
        {
            Add(plugged, other.Handle);
            ring.Echo($"with {round}");
            Remove(plugged);
            ring.Echo($"without {round}");
        }
    }

    [Fact]
    public void RemoveRegion_WithADescriptor_ClosesIt()
    {
        Add(_ram.Region, _ram.File.Handle);

        _frontEnd.Send(
            FrontEndRequest.RemoveMemoryRegion,
            new SingleMemoryRegion { Region = _ram.Region },
            _ram.File.Handle
        );

        _frontEnd.Settle();
    }

    [Fact]
    public void RemoveRegion_OffsetDiffers_IsTheSameRegion()
    {
        Add(_ram.Region, _ram.File.Handle);
        MemoryRegionDescription named = _ram.Region;
        named.FileOffset = 0x1000;

        Remove(named);

        _frontEnd.Settle();
    }

    [Fact]
    public void RemoveRegion_ThatIsNotThere_EndsTheConnection()
    {
        Remove(_ram.Region);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("REM_MEM_REG: there is no memory region at 40000000");
    }

    [Fact]
    public void RemoveRegion_WithARunningRing_EndsTheConnection()
    {
        Add(_ram.Region, _ram.File.Handle);
        using TestRing ring = _ram.Start(_frontEnd);

        Remove(_ram.Region);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("in no memory region");
    }

    [Theory]
    [InlineData(0x4000_1000, 0x1000_0000)]
    [InlineData(0x9000_0000, 0x7f12_0000_1000)]
    public void AddRegion_OverlapsInGuestOrFrontEnd_EndsTheConnection(ulong guest, ulong user)
    {
        Add(_ram.Region, _ram.File.Handle);

        Add(RegionAt(guest, user, 0x1000), _ram.File.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("overlaps the one at 40000000");
    }

    [Fact]
    public void AddRegion_509Regions_WorkAndOneMoreEndsTheConnection()
    {
        for (ulong index = 0; index < MemoryTable.SlotsMax; index++)
        {
            Add(RegionAt(0x1_0000_0000 + index * 0x1000, 0x1000_0000 + index * 0x1000, 0x1000), _ram.File.Handle);
        }

        _frontEnd.Settle();
        Add(RegionAt(0x2000, 0x2000, 0x1000), _ram.File.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("there are 509 memory regions already");
    }

    [Fact]
    public void AddRegion_FileTooShort_IsRefusedAndTheConnectionLives()
    {
        MemoryRegionDescription region = _ram.Region;
        region.LengthBytes *= 2;

        ulong answer = _frontEnd.SendAcknowledged(
            FrontEndRequest.AddMemoryRegion,
            new SingleMemoryRegion { Region = region },
            _ram.File.Handle
        );

        Assert.NotEqual(0ul, answer);
        _home.ExpectLog("ADD_MEM_REG was answered with an error");
        Add(_ram.Region, _ram.File.Handle);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("still there");
    }

    [Fact]
    public void AddRegion_NoMemoryAtAll_EndsTheConnectionOfOneThatDoesNotAsk()
    {
        using var descriptor = EventFd.Create();

        Add(_ram.Region, descriptor.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("cannot be mapped");
    }

    [Theory]
    [InlineData(0ul, 0ul, 0ul)]
    [InlineData(ulong.MaxValue, 0ul, 0x1000ul)]
    [InlineData(0ul, ulong.MaxValue, 0x1000ul)]
    [InlineData(0ul, 0ul, ulong.MaxValue)]
    public void AddRegion_EmptyOrWrapping_EndsTheConnection(ulong guest, ulong user, ulong length)
    {
        Add(RegionAt(guest, user, length), _ram.File.Handle);

        _frontEnd.ExpectClosed();
    }

    [Fact]
    public void AddRegion_OffsetWraps_EndsTheConnection()
    {
        MemoryRegionDescription region = _ram.Region;
        region.FileOffset = long.MaxValue;

        Add(region, _ram.File.Handle);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("wraps");
    }

    [Fact]
    public void Table_OverlappingRegions_EndsTheConnection()
    {
        _frontEnd.SendBytes(
            FrontEndRequest.SetMemoryTable,
            GuestRam.Table(_ram.Region, _ram.Region),
            _ram.File.Handle,
            _ram.File.Handle
        );

        _frontEnd.ExpectClosed();
        _home.ExpectLog("overlaps");
    }

    [Fact]
    public void Table_CountAndDescriptorsDiffer_EndsTheConnection()
    {
        _frontEnd.SendBytes(
            FrontEndRequest.SetMemoryTable,
            GuestRam.Table(_ram.Region),
            _ram.File.Handle,
            _ram.File.Handle
        );

        _frontEnd.ExpectClosed();
        _home.ExpectLog("SET_MEM_TABLE: a table of 1 regions came with 40 bytes and 2 descriptors");
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(9u)]
    [InlineData(uint.MaxValue)]
    public void Table_CountAndLengthDiffer_EndsTheConnection(uint count)
    {
        byte[] table = GuestRam.Table(_ram.Region);
        Wire.Write(table, in count);

        _frontEnd.SendBytes(FrontEndRequest.SetMemoryTable, table, _ram.File.Handle);

        _frontEnd.ExpectClosed();
    }

    [Fact]
    public void Table_AsLongAsItCanBe_IsUnderstood()
    {
        byte[] table = new byte[8 + 8 * 32];
        GuestRam.Table(_ram.Region).CopyTo(table.AsSpan());

        _frontEnd.SendBytes(FrontEndRequest.SetMemoryTable, table, _ram.File.Handle);

        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("padded");
    }

    [Fact]
    public void Table_Empty_TakesAllMemoryAway()
    {
        _ram.Share(_frontEnd);
        _frontEnd.SendBytes(FrontEndRequest.SetMemoryTable, GuestRam.Table());
        using TestRing ring = _ram.Start(_frontEnd);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("in no memory region");
    }

    [Fact]
    public void Memory_FromSharedMemoryFile_Works()
    {
        // What shm_open makes: a file with a name in a file system of memory, which cannot be sealed.
        string path = $"/dev/shm/vireo-test-{Guid.NewGuid():N}";
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.ReadWrite);
        File.Delete(path);
        file.SetLength(1 << 20);

        AssertCarriesRequests(file.SafeFileHandle, 1 << 20);
    }

    [Fact]
    public void Memory_FromHugePages_Works()
    {
        using HugePageSupply supply = new(pages: 2);
        using var file = MemoryFile.Create("huge", 4 << 20, HugePageSize.TwoMebibytes);

        AssertCarriesRequests(file.Handle, 4 << 20);
    }

    /// <summary>Shares a file as a second region, and has the device copy from one place in it to another.</summary>
    private void AssertCarriesRequests(SafeFileHandle file, int lengthBytes)
    {
        const ulong Guest = 0x8000_0000;
        const int WrittenAt = 8192;
        using var mapping = MemoryMapping.Map(file, 0, (nuint)lengthBytes, MappingAccess.ReadWrite);
        "in this memory"u8.CopyTo(mapping.GetSpan(0, 64));
        _ram.Share(_frontEnd);
        Add(RegionAt(Guest, 0x7f99_0000_0000, (ulong)lengthBytes), file);
        using TestRing ring = _ram.Start(_frontEnd);

        Assert.True(ring.Driver.TryAdd([new(new(Guest), 14)], [new(new(Guest + WrittenAt), 14)], tag: 0));
        ring.Driver.Publish();
        ring.Kick.Signal();

        Assert.True(SpinWait.SpinUntil(() => ring.Driver.TryTake(out _), FrontEnd.Patience));
        Assert.Equal("in this memory"u8, mapping.GetSpan(WrittenAt, 14));
    }

    [Fact]
    public void Memory_ReadOnlyFile_CanBeRead()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["rom"], new byte[1 << 16]);
        using FileStream rom = File.OpenRead(folder["rom"]);

        Add(RegionAt(0x8000_0000, 0x7f99_0000_0000, 1 << 16), rom.SafeFileHandle);

        _frontEnd.Settle();
    }

    private static MemoryRegionDescription RegionAt(ulong guest, ulong user, ulong length) =>
        new()
        {
            GuestAddress = guest,
            UserAddress = user,
            LengthBytes = length,
        };

    private void Add(MemoryRegionDescription region, SafeFileHandle file) =>
        _frontEnd.Send(FrontEndRequest.AddMemoryRegion, new SingleMemoryRegion { Region = region }, file);

    private void Remove(MemoryRegionDescription region) =>
        _frontEnd.Send(FrontEndRequest.RemoveMemoryRegion, new SingleMemoryRegion { Region = region });
}
