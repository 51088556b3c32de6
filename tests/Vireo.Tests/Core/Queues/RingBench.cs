using System.Runtime.CompilerServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Core.Queues;

/// <summary>A ring in memory with our driver role at one end and our device role at the other; either may be replaced by hand.</summary>
internal sealed unsafe class RingBench : IDisposable
{
    /// <summary>Above 4 GiB, so that an address cut to 32 bits is noticed.</summary>
    public const ulong Base = 0x1_0000_0000;

    private const ushort TableLength = 8;

    /// <summary>What stands before and behind each area, and must stand there at the end.</summary>
    private const byte Guard = 0xa5;

    private const uint GuardBytes = 64;

    private readonly List<GuestRange> _guards = [];

    private readonly OwnedMemory _backing;
    private ulong _allocated;

    /// <summary>Makes an empty ring with a queue at each end.</summary>
    /// <param name="variant">How the ring was negotiated.</param>
    /// <param name="memoryBytes">How much memory there is for buffers.</param>
    /// <param name="dirtyLog">Where writes of the device are recorded, if they are.</param>
    /// <param name="claimedBytes">How long the memory is said to be, for tests that translate and do not touch.</param>
    public RingBench(
        RingVariant variant,
        ulong memoryBytes = 4 << 20,
        DirtyLog? dirtyLog = null,
        ulong? claimedBytes = null
    )
    {
        Variant = variant;
        ushort size = variant.Size;
        ulong tableBytes = IndirectTables.LengthBytes(size, TableLength);
        _backing = new(memoryBytes + tableBytes + 64ul * size);
        Memory = new([new(new(Base), claimedBytes ?? _backing.LengthBytes, _backing.Address)], dirtyLog);
        Areas = new(
            size,
            AllocateGuarded(16u * size),
            AllocateGuarded(variant.IsPacked ? 4 : 6 + 2u * size),
            AllocateGuarded(variant.IsPacked ? 4 : 6 + 8u * size)
        );
        TablesAddress = AllocateGuarded((uint)tableBytes);
        Driver = DriverQueue.Create(Areas, Memory, variant.Features, new IndirectTables(TablesAddress, TableLength));
        Device = CreateDevice(QueueState.Fresh);
    }

    public RingVariant Variant { get; }

    public QueueAreas Areas { get; }

    public GuestAddress TablesAddress { get; }

    public ulong EndAddress => Base + _backing.LengthBytes;

    public MappedMemory Memory { get; }

    public DriverQueue Driver { get; }

    public DeviceQueue Device { get; set; }

    public GuestRange Allocate(uint lengthBytes, uint alignment = 16)
    {
        ulong start = (_allocated + alignment - 1) / alignment * alignment;
        Assert.True(start + lengthBytes <= _backing.LengthBytes, "the bench is out of memory");
        _allocated = start + lengthBytes;
        return new(new(Base + start), lengthBytes);
    }

    /// <summary>A value in guest memory, in place.</summary>
    public ref T At<T>(GuestAddress address)
        where T : unmanaged
    {
        Assert.InRange(address.Value, Base, Base + _backing.LengthBytes - (uint)sizeof(T));
        return ref Unsafe.AsRef<T>((void*)(_backing.Address + (nint)(address.Value - Base)));
    }

    public Span<byte> Bytes(GuestRange range)
    {
        Assert.InRange(range.Address.Value, Base, Base + _backing.LengthBytes - range.LengthBytes);
        return new((void*)(_backing.Address + (nint)(range.Address.Value - Base)), (int)range.LengthBytes);
    }

    public ref SplitDescriptor SplitDescriptor(int index) =>
        ref At<SplitDescriptor>(Areas.Descriptors + 16ul * (uint)index);

    public ref PackedDescriptor PackedDescriptor(int index) =>
        ref At<PackedDescriptor>(Areas.Descriptors + 16ul * (uint)index);

    public ref Le16 AvailableFlags => ref At<Le16>(Areas.Driver);

    public ref Le16 AvailableIndex => ref At<Le16>(Areas.Driver + 2);

    public ref Le16 AvailableEntry(int slot) => ref At<Le16>(Areas.Driver + 4 + 2ul * (uint)slot);

    public ref Le16 UsedEvent => ref At<Le16>(Areas.Driver + 4 + 2ul * Areas.Size);

    public ref Le16 UsedFlags => ref At<Le16>(Areas.Device);

    public ref Le16 UsedIndex => ref At<Le16>(Areas.Device + 2);

    public ref SplitUsedElement UsedEntry(int slot) => ref At<SplitUsedElement>(Areas.Device + 4 + 8ul * (uint)slot);

    public ref Le16 AvailableEvent => ref At<Le16>(Areas.Device + 4 + 8ul * Areas.Size);

    public ref PackedEventSuppression DriverEvents => ref At<PackedEventSuppression>(Areas.Driver);

    public ref PackedEventSuppression DeviceEvents => ref At<PackedEventSuppression>(Areas.Device);

    /// <summary>Takes the next chain, which must be there.</summary>
    public ushort Pop()
    {
        Assert.True(Device.TryPop(out DescriptorChain chain), $"no chain; fault {Device.Fault}");
        return chain.Head;
    }

    /// <summary>Takes back the next buffer, which must be there.</summary>
    public DriverCompletion Take()
    {
        Assert.True(Driver.TryTake(out DriverCompletion completion), $"no completion; fault {Driver.Fault}");
        return completion;
    }

    /// <summary>Stops the device side and starts another one from its state.</summary>
    public void ReplaceDevice() => Device = CreateDevice(Device.State);

    /// <summary>All that the driver and the device share and what a successor would find, for comparisons and crashes.</summary>
    public Span<byte> AllBytes => Bytes(new(new(Base), (uint)_allocated));

    /// <summary>Sees that nothing was written around the areas of the ring.</summary>
    public void Dispose()
    {
        foreach (GuestRange guard in _guards)
        {
            Assert.Equal(-1, Bytes(guard).IndexOfAnyExcept(Guard));
        }

        _backing.Dispose();
    }

    private DeviceQueue CreateDevice(QueueState state)
    {
        if (!Variant.IsPaged)
        {
            return DeviceQueue.Create(Areas, state, Memory, Variant.Features);
        }

        // As Create does where an area does not lie in one piece.
        QueueAreas areas = Areas;
        RingResources resources = new(Memory, Variant.Features, null, null);
        RingAreas<PagedArea> pages = new(
            RingLocator.LocatePages(Memory, RingArea.Descriptors(in areas, MemoryAccess.ReadWrite)),
            RingLocator.LocatePages(
                Memory,
                Variant.IsPacked
                    ? RingArea.DriverEvents(in areas, MemoryAccess.Read)
                    : RingArea.Available(in areas, MemoryAccess.Read)
            ),
            RingLocator.LocatePages(
                Memory,
                Variant.IsPacked ? RingArea.DeviceEvents(in areas) : RingArea.Used(in areas)
            )
        );
        return Variant.IsPacked
            ? new PackedDeviceQueue<PagedArea>(areas.Size, state, in resources, in pages)
            : new SplitDeviceQueue<PagedArea>(areas.Size, state, in resources, in pages);
    }

    private GuestAddress AllocateGuarded(uint lengthBytes)
    {
        AddGuard(64);
        GuestAddress address = Allocate(lengthBytes, 64).Address;
        AddGuard(1);
        return address;
    }

    private void AddGuard(uint alignment)
    {
        GuestRange guard = Allocate(GuardBytes, alignment);
        Bytes(guard).Fill(Guard);
        _guards.Add(guard);
    }
}
