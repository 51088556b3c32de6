using Vireo.Core.Memory;
using Vireo.Drivers;

namespace Vireo.Tests.Drivers;

public sealed class DriverMemoryTests
{
    [Fact]
    public void Allocate_UntilFull_GivesDisjointAlignedBuffersAndThenThrows()
    {
        using DriverMemory memory = new(64 << 10);
        HashSet<ulong> pages = [];
        for (int count = 0; count < 16; count++)
        {
            DriverBuffer buffer = memory.Allocate(4096);
            Assert.Equal(0u, buffer.Address.Value % 4096);
            Assert.True(pages.Add(buffer.Address.Value));
        }

        Assert.Throws<DriverException>(() => memory.Allocate(1));
    }

    [Fact]
    public void Free_AllOfIt_JoinsTheRoomAgain()
    {
        using DriverMemory memory = new(64 << 10);
        List<DriverBuffer> buffers = [];
        for (int count = 0; count < 16; count++)
        {
            buffers.Add(memory.Allocate(4096));
        }

        // Every second one first, so that ranges have to be joined on both sides.
        foreach (DriverBuffer buffer in buffers.Where((_, index) => index % 2 == 1).ToList())
        {
            memory.Free(buffer);
        }

        foreach (DriverBuffer buffer in buffers.Where((_, index) => index % 2 == 0).ToList())
        {
            memory.Free(buffer);
        }

        Assert.Equal(64 << 10, memory.Allocate(64 << 10).Length);
    }

    [Fact]
    public void Free_Twice_Throws()
    {
        using DriverMemory memory = new(64 << 10);
        DriverBuffer buffer = memory.Allocate(100);
        memory.Free(buffer);

        Assert.Throws<ArgumentException>(() => memory.Free(buffer));
    }

    [Fact]
    public void Allocate_LargeAlignment_IsHeeded()
    {
        using DriverMemory memory = new(4 << 20);
        memory.Allocate(64, 64);

        Assert.Equal(0u, memory.Allocate(64, 1 << 20).Address.Value % (1 << 20));
    }

    [Fact]
    public void Memory_IsAMappingOfASealedFile()
    {
        using DriverMemory memory = new(64 << 10);
        MemoryRegion region = ((MappedMemory)memory.Memory).Regions[0];

        Assert.NotNull(region.Backing);
        // Whoever gets the file cannot cut it under us.
        Assert.Throws<UnauthorizedAccessException>(() => RandomAccess.SetLength(region.Backing.File, 4096));
    }

    [Fact]
    public void Slice_OfABuffer_IsTheSameMemory()
    {
        using DriverMemory memory = new(64 << 10);
        DriverBuffer buffer = memory.Allocate(4096);
        DriverBuffer part = buffer.Slice(512, 1024);
        part.Bytes.Fill(7);

        Assert.Equal(buffer.Address.Value + 512, part.Address.Value);
        Assert.Equal(1024u, part.Range.LengthBytes);
        Assert.Equal([0, 7], (byte[])[buffer.Bytes[511], buffer.Bytes[512]]);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Slice(4000, 100));
    }
}
