using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Memory that a test shares with a home, and rings in it that the test drives.</summary>
internal sealed class GuestRam : IDisposable
{
    public const ulong GuestBase = 0x4000_0000;
    public const ulong UserBase = 0x7f12_0000_0000;

    /// <summary>Where buffers may be put; rings lie before it.</summary>
    public const ulong BuffersAt = 0x10_0000;

    private const int BytesPerRing = 0x1_0000;

    private readonly MemoryMapping _mapping;

    public GuestRam(long sizeBytes = 4 << 20, HugePageSize pages = HugePageSize.None)
        : this(MemoryFile.Create("guest", sizeBytes, pages)) { }

    public GuestRam(MemoryFile file)
    {
        File = file;
        _mapping = MemoryMapping.Map(file.Handle, 0, (nuint)file.Size, MappingAccess.ReadWrite);
        Memory = new([new(new(GuestBase), (ulong)file.Size, _mapping.Address)]);
    }

    public MemoryFile File { get; }

    public MappedMemory Memory { get; }

    /// <summary>All of the memory, as the front-end describes it.</summary>
    public MemoryRegionDescription Region =>
        new()
        {
            GuestAddress = GuestBase,
            LengthBytes = (ulong)File.Size,
            UserAddress = UserBase,
            FileOffset = 0,
        };

    /// <summary>The memory itself.</summary>
    public Span<byte> Bytes => _mapping.GetSpan(0, (int)_mapping.Length);

    public static GuestAddress At(ulong offset) => new(GuestBase + offset);

    /// <summary>Where a ring lies.</summary>
    public static QueueAreas Areas(int ring, ushort size)
    {
        ulong begin = GuestBase + (ulong)(ring * BytesPerRing);
        return new(size, new(begin), new(begin + 0x8000), new(begin + 0xc000));
    }

    /// <summary>Where a ring lies, as the front-end says it.</summary>
    public static VringAddress Address(int ring)
    {
        ulong begin = UserBase + (ulong)(ring * BytesPerRing);
        return new()
        {
            Index = (uint)ring,
            Descriptors = begin,
            Available = begin + 0x8000,
            Used = begin + 0xc000,
        };
    }

    /// <summary>Gives the home this memory as its table.</summary>
    public void Share(FrontEnd frontEnd) =>
        frontEnd.SendBytes(FrontEndRequest.SetMemoryTable, Table(Region), File.Handle);

    /// <summary>The payload of a memory table.</summary>
    public static byte[] Table(params ReadOnlySpan<MemoryRegionDescription> regions)
    {
        MemoryTableHeader header = new() { Count = (uint)regions.Length };
        return [.. Wire.Bytes(ref header), .. Wire.Reinterpret<MemoryRegionDescription, byte>(regions)];
    }

    /// <summary>Sets up a ring and starts it.</summary>
    public TestRing Start(FrontEnd frontEnd, int index = 0, ushort size = 16, params ReadOnlySpan<int> features)
    {
        TestRing ring = new(this, index, size, FeatureSet.Of(features).With(CoreFeature.Version1));
        ring.Configure(frontEnd);
        ring.Start(frontEnd);
        return ring;
    }

    public void Dispose()
    {
        _mapping.Dispose();
        File.Dispose();
    }
}
