using Vireo.Core.Memory;
using Vireo.Linux.Memory;

namespace Vireo.Drivers;

/// <summary>Memory that a driver shares with its device: rings, headers and buffers all lie in it.</summary>
/// <remarks>
/// A memory file, sealed so that the device cannot cut it under us. Allocating is for set-up, from any thread; requests use
/// what was allocated.
/// </remarks>
public sealed class DriverMemory : IDisposable
{
    /// <summary>Alignment of buffers unless stated otherwise: a page, which suits every device and direct I/O behind it.</summary>
    public const int UsualAlignment = 4096;

    /// <summary>
    /// Where the memory begins for the device: above 4 GiB, so that an address cut to 32 bits is noticed. The addresses of this
    /// process are told to nobody.
    /// </summary>
    private const ulong BaseAddress = 0x1_0000_0000;

    /// <summary>Takes out whatever is asked for in pieces of this size, so that no two allocations share a cache line.</summary>
    private const uint Granularity = 64;

    private readonly MemoryFile _file;
    private readonly MemoryMapping _mapping;
    private readonly MappedMemory _memory;
    private readonly FreeRanges _free;
    private readonly Lock _gate = new();

    /// <summary>Makes memory; pages take room when they are first touched.</summary>
    /// <param name="lengthBytes">Length in bytes, at least 1; rounded up to whole pages.</param>
    /// <param name="pages">Which pages it consists of.</param>
    /// <exception cref="Vireo.Linux.LinuxException">There is no memory, or there are no such pages.</exception>
    public DriverMemory(long lengthBytes, HugePageSize pages = HugePageSize.None)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        long pageBytes = PageBytes(pages);
        LengthBytes = (lengthBytes + pageBytes - 1) / pageBytes * pageBytes;
        _file = MemoryFile.Create("vireo-driver", LengthBytes, pages);
        try
        {
            _file.Seal(MemorySeals.Shrink | MemorySeals.Grow | MemorySeals.Seal);
            _mapping = MemoryMapping.Map(_file.Handle, 0, (nuint)LengthBytes, MappingAccess.ReadWrite);
        }
        catch
        {
            _file.Dispose();
            throw;
        }

        _memory = new([new(new(BaseAddress), (ulong)LengthBytes, _mapping.Address) { Backing = new(_file.Handle, 0) }]);
        _free = new((ulong)LengthBytes);
    }

    /// <summary>Length in bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>The memory as devices see it.</summary>
    public GuestMemory Memory => _memory;

    /// <summary>Takes a buffer.</summary>
    /// <param name="lengthBytes">Length in bytes, at least 1.</param>
    /// <param name="alignment">What its address is a multiple of; a power of two.</param>
    /// <returns>The buffer; what it holds is left from its last use.</returns>
    /// <exception cref="DriverException">There is no such room left.</exception>
    public DriverBuffer Allocate(int lengthBytes, int alignment = UsualAlignment)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(alignment, 1);
        ulong start;
        lock (_gate)
        {
            if (!_free.TryTake(RoundUp(lengthBytes), (uint)Math.Max(alignment, (int)Granularity), out start))
            {
                throw new DriverException(
                    $"{lengthBytes} bytes do not fit into what is left of {LengthBytes} bytes of shared memory; give the driver more"
                );
            }
        }

        return BufferAt(new(BaseAddress + start), lengthBytes);
    }

    /// <summary>Gives a buffer back. No request may use it any more.</summary>
    /// <param name="buffer">A buffer as <see cref="Allocate"/> returned it, not a part of one.</param>
    /// <exception cref="ArgumentException">It was given back before, or is not of this memory.</exception>
    public void Free(DriverBuffer buffer)
    {
        ulong start = buffer.Address.Value;
        if (buffer.Length == 0 || start < BaseAddress || start - BaseAddress >= (ulong)LengthBytes)
        {
            throw new ArgumentException("the buffer is not of this memory");
        }

        lock (_gate)
        {
            _free.Give(start - BaseAddress, RoundUp(buffer.Length));
        }
    }

    /// <summary>Unmaps the memory. No device may use it any more, and nobody its buffers.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
    }

    private static ulong RoundUp(int lengthBytes) => ((ulong)lengthBytes + Granularity - 1) & ~(ulong)(Granularity - 1);

    private static long PageBytes(HugePageSize pages) =>
        pages switch
        {
            HugePageSize.TwoMebibytes => 2L << 20,
            HugePageSize.OneGibibyte => 1L << 30,
            HugePageSize.Default => (long)HugePages.DefaultSizeBytes,
            _ => Environment.SystemPageSize,
        };

    private DriverBuffer BufferAt(GuestAddress address, int lengthBytes)
    {
        Translation outcome = _memory.TranslateContiguous(
            address,
            (uint)lengthBytes,
            MemoryAccess.ReadWrite,
            out Segment segment
        );
        return outcome == Translation.Done
            ? new(address, segment)
            : throw new DriverException($"a buffer of {lengthBytes} bytes is longer than one buffer may be");
    }
}
